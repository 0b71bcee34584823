"""How well the time left is predicted: studies of trials of mixed lengths, run on a fake clock."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from superconv_ray import (
    Arm,
    Study,
    Trial,
    Tuning,
    at_least,
    epochs,
    from_range_test,
    grid,
    iterations,
    tuned,
)
from superconv_ray.design.building import make_plan
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.execution.estimate import Estimate, Forecast, Position
from superconv_ray.planning.choice import LOSS_COLUMN, READ_COLUMN, SCORE_COLUMN
from superconv_ray.planning.planner import Planner, Stage

SLICE = 5.0
"""Seconds between two reports of a trial in progress."""
STEP_SECONDS = 0.01
EVAL_SECONDS = 0.2
"""So the evaluations of a range test take twice as long as its steps."""
LOOK_SECONDS, LOOK_SHARE = 0.25, 0.01
"""Time between two forecasts: so many seconds, or this share of the time that has passed."""
OVERHEAD = 0.03
"""Seconds of a trial besides its steps and evaluations."""


@dataclass(order=True)
class Event:
    at: float
    number: int
    what: Callable[[], None] = field(compare=False)


class Simulation:
    """A study that runs on some workers, each of which starts some seconds after the one before.

    Args:
        study: What is run.
        workers: How many trials run at a time.
        slowness: Gives the factor by which a trial's steps and evaluations take longer.
        start_seconds: Time that each worker takes to start.
        slots: What the cluster says that it has room for.
    """

    def __init__(
        self,
        study: Study,
        workers: int,
        slowness: Callable[[Trial], float] = lambda _: 1.0,
        start_seconds: float = 1.0,
        slots: int | None = None,
        max_trials: int | None = None,
    ) -> None:
        self.now = self.ended_at = 1000.0
        self.first_start = self.now + start_seconds
        self.planner = Planner(make_plan(study), max_trials=max_trials)
        self.estimate = Estimate(lambda: self.now)
        self.estimate.slots = workers if slots is None else slots
        self.forecasts: list[tuple[float, Forecast | None]] = []
        self._slowness = slowness
        self._random = random.Random(0)
        self._events: list[Event] = []
        self._numbers = itertools.count()
        self._idle = 0
        for worker in range(workers):
            self._later(self.now + (worker + 1) * start_seconds, self._take_trial)
        self._later(self.now + start_seconds, self._look)
        while self._events:
            event = heapq.heappop(self._events)
            self.now = event.at
            event.what()

    def forecast_at(self, share: float) -> tuple[float, Forecast]:
        """The first forecast after a share of the running time, and its time."""
        at = self.first_start + share * (self.ended_at - self.first_start)
        time, forecast = next(pair for pair in self.forecasts if pair[0] >= at)
        assert forecast is not None, "nothing is predicted yet"
        return time, forecast

    def error_at(self, share: float) -> float:
        """Factor by which the forecast after a share of the running time is off; 1 is right."""
        time, forecast = self.forecast_at(share)
        return forecast.seconds_left / (self.ended_at - time)

    def _later(self, at: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, Event(at, next(self._numbers), what))

    def _look(self) -> None:
        self.forecasts.append((self.now, self.estimate.forecast(self.planner.expected())))
        if self.planner.to_come:
            passed = self.now - self.first_start
            self._later(self.now + max(LOOK_SECONDS, LOOK_SHARE * passed), self._look)

    def _take_trial(self) -> None:
        trial = self.planner.next()
        if not isinstance(trial, CompleteTrial):
            self._idle += 1
            return
        self.estimate.started(trial)
        assert trial.steps is not None
        assert trial.eval_interval is not None
        slowness = self._slowness(trial) * self._random.uniform(0.8, 1.25)
        evaluations = trial.steps / trial.eval_interval + 1
        whole = Position(
            trial.steps,
            STEP_SECONDS * trial.steps * slowness,
            EVAL_SECONDS * evaluations * slowness,
        )
        self._work(trial, 0.0, whole)

    def _work(self, trial: CompleteTrial, share: float, whole: Position) -> None:
        """A slice of a trial of which a share is done."""
        seconds = whole.train_seconds + whole.eval_seconds
        if (1 - share) * seconds <= SLICE:
            end = self.now + (1 - share) * seconds + OVERHEAD
            self._later(end, lambda: self._end(trial, whole))
            return

        def report() -> None:
            now = share + SLICE / seconds
            position = (now * whole.train_seconds, now * whole.eval_seconds)
            self.estimate.at(trial, Position(round(now * whole.step), *position))
            self._work(trial, now, whole)

        self._later(self.now + SLICE, report)

    def _end(self, trial: CompleteTrial, whole: Position) -> None:
        self.ended_at = self.now
        outcome = self._outcome(trial, whole)
        self.planner.tell(trial.id, outcome)
        self.estimate.ended(trial, outcome)
        for _ in range(self._idle + 1):  # those that waited for this one, too
            self._later(self.now, self._take_trial)
        self._idle = 0

    def _outcome(self, trial: CompleteTrial, whole: Position) -> Outcome:
        measured = {
            "train_seconds": whole.train_seconds,
            "eval_seconds": whole.eval_seconds,
            "steps_done": whole.step,
            "test_accuracy": self._random.uniform(0.8, 0.9),
            SCORE_COLUMN: self._random.uniform(0.8, 0.9),
            LOSS_COLUMN: self._random.uniform(0.1, 0.2),
        }
        curve = [{"lr": lr, READ_COLUMN: 0.9 - abs(lr - 1.0)} for lr in (0.5, 1.0, 1.5, 2.0)]
        return Outcome("completed", measured, curve if trial.kind == "range_test" else ())


def study(**changes: Any) -> Study:
    settings: dict[str, Any] = {
        "name": "simulated",
        "base": Trial(dataset="digits", model="small_cnn", batch_size=16),
        "sweep": grid(data_count=(60, 120, 300)),
        "arms": {
            "one_cycle": Arm(policy="one_cycle", max_lr=from_range_test(steps=100, points=10)),
            "constant": Arm(policy="constant", max_lr=0.05),
        },
        "budget": iterations(1000),
        "seeds": 5,
    }
    return Study(**{**settings, **changes})


def by_model(trial: Trial) -> float:
    return 5.0 if trial.model == "resnet20" else 1.0


MIXED = {
    "range tests, then trainings of equal length": study(),
    "lengths that follow from the number of labels": study(budget=epochs(40)),
    "two models": study(
        arms={
            "small": Arm(model="small_cnn", max_lr=0.1),
            "large": Arm(model="resnet20", max_lr=from_range_test(steps=100, points=10)),
        },
    ),
    "searches": study(
        arms={"linear": Arm(policy="linear", max_lr=tuned(0.01, 1.0)), "constant": Arm(max_lr=0.1)},
        tuning=Tuning(trials=8),
    ),
    "a few long trials": study(seeds=2, sweep=grid(data_count=(60,)), budget=iterations(60_000)),
}


@pytest.mark.parametrize("workers", [1, 2, 4, 8])
@pytest.mark.parametrize("name", MIXED)
def test_after_a_tenth_of_the_time_the_prediction_is_right_within_a_factor_of_two(
    name: str, workers: int
) -> None:
    simulation = Simulation(MIXED[name], workers, by_model)
    for share in (0.1, 0.2, 0.5, 0.8):
        assert 0.5 < simulation.error_at(share) < 2.0, share


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_half_of_the_seeds_that_may_be_added_are_expected(workers: int) -> None:
    """Here all are needed, one after another; how many are is open until the end."""
    given = study(seeds=at_least(3, up_to=6), sweep=grid(data_count=(60, 120)))
    simulation = Simulation(given, workers)
    assert len(simulation.planner.outcomes) == 2 * 3 + 2 * 2 * 6
    assert 0.5 < simulation.error_at(0.1) < 1.0


def test_the_time_until_workers_have_started_does_not_count() -> None:
    simulation = Simulation(study(), workers=2, start_seconds=60.0)
    assert 0.5 < simulation.error_at(0.4) < 2.0  # after 80 s, of which the second worker missed 60


def test_slots_that_others_use_are_soon_no_longer_counted() -> None:
    simulation = Simulation(study(), workers=2, slots=16)
    assert 0.5 < simulation.error_at(0.2) < 2.0


def test_only_trials_that_may_still_start_are_counted() -> None:
    simulation = Simulation(study(arms={"constant": Arm(max_lr=0.1)}), workers=1, max_trials=10)
    assert 0.5 < simulation.error_at(0.1) < 2.0
    assert simulation.planner.left == 5


def test_the_share_of_the_work_grows_from_nothing_to_all() -> None:
    simulation = Simulation(MIXED["two models"], 2, by_model)
    shares = [forecast.share_done for _, forecast in simulation.forecasts if forecast]
    assert shares[0] < 0.05
    assert shares[-1] == 1.0
    assert simulation.forecast_at(0.5)[1].share_done == pytest.approx(0.5, abs=0.15)


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


def a_trial(**changes: Any) -> CompleteTrial:
    settings: dict[str, Any] = {"max_lr": 0.1, "steps": 100, "data_count": 100}
    return Trial(**{**settings, **changes}).complete()


def test_nothing_is_predicted_before_something_was_measured(clock: list[float]) -> None:
    estimate = Estimate(lambda: clock[0])
    estimate.started(a_trial())
    clock[0] = 3.0
    assert estimate.forecast([]) is None
    assert estimate.steps_per_second() is None


def test_a_trial_that_continues_from_a_checkpoint_does_not_look_fast(
    clock: list[float],
) -> None:
    estimate, trial = Estimate(lambda: clock[0]), a_trial()
    estimate.started(trial)
    clock[0] = 5.0
    estimate.at(trial, Position(85, 85.0))
    forecast = estimate.forecast([[Stage(a_trial(seed=1))]])
    assert forecast is not None
    assert forecast.seconds_left == pytest.approx(15.0 + 100.0)
    assert estimate.steps_per_second() == pytest.approx(1.0)
    clock[0] = 20.0
    measured = {"train_seconds": 100.0, "eval_seconds": 0.0, "steps_done": 100}
    estimate.ended(trial, Outcome("completed", measured))
    forecast = estimate.forecast([[Stage(a_trial(seed=1))]])
    assert forecast is not None
    assert forecast.seconds_left == pytest.approx(100.0)


def test_trials_that_diverge_early_make_their_kind_shorter(clock: list[float]) -> None:
    estimate = Estimate(lambda: clock[0])
    for seed in range(2):
        trial = a_trial(seed=seed)
        estimate.started(trial)
        clock[0] += 10.0
        measured = {"train_seconds": 10.0, "eval_seconds": 0.0, "steps_done": 20}
        estimate.ended(trial, Outcome("diverged", measured))
    forecast = estimate.forecast([[Stage(a_trial(seed=2), 3)]])
    assert forecast is not None
    assert forecast.seconds_left == pytest.approx(30.0)
    assert forecast.share_done == pytest.approx(2 / 5)
    assert estimate.steps_per_second() == pytest.approx(2.0)


def test_a_shape_that_was_never_run_is_expected_to_take_its_time_per_sample(
    clock: list[float],
) -> None:
    estimate, trial = Estimate(lambda: clock[0]), a_trial(batch_size=10)
    estimate.started(trial)
    clock[0] = 10.0
    measured = {"train_seconds": 10.0, "eval_seconds": 0.0, "steps_done": 100}
    estimate.ended(trial, Outcome("completed", measured))
    for other in ({"batch_size": 30}, {"batch_size": 30, "model": "resnet20"}):
        forecast = estimate.forecast([[Stage(a_trial(**other))]])
        assert forecast is not None
        assert forecast.seconds_left == pytest.approx(30.0)


def test_a_failed_trial_does_not_change_the_estimate(clock: list[float]) -> None:
    estimate = Estimate(lambda: clock[0])
    estimate.started(a_trial())
    clock[0] = 10.0
    estimate.ended(a_trial(), Outcome("failed", error="RuntimeError"))
    assert estimate.running == 0
    assert estimate.forecast([[Stage(a_trial(seed=1))]]) is None
