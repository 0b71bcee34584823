"""How long the trials of a run still take: a prediction from their steps and from measured time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from statistics import mean
from typing import Any

from superconv_ray.design.outcome import Outcome
from superconv_ray.design.trial import CompleteTrial, Template
from superconv_ray.execution.shape import SHAPE
from superconv_ray.planning.planner import Stage

WINDOW_SECONDS = 30.0
"""How far back the run's present speed and its number of parallel trials are looked for."""
START_UP_SECONDS = 20.0
"""Time after the first trial's start in which further workers may still be starting."""

_KEYS: tuple[tuple[Callable[[Template], Any], bool], ...] = (
    (attrgetter("kind", *SHAPE), False),
    (attrgetter(*SHAPE), False),
    (attrgetter("model", "dataset"), True),
    (lambda _: None, True),
)
"""What trials may have in common, closest first, and whether to compare them by samples instead."""


class _Pace:
    """Measured seconds per unit of work: per step, or per evaluation."""

    def __init__(self, by_samples: bool) -> None:
        self._by_samples = by_samples
        self._totals: tuple[dict[Any, list[float]], ...] = tuple({} for _ in _KEYS)

    def add(self, trial: Template, seconds: float, units: float) -> None:
        for totals, (key, by_samples) in zip(self._totals, _KEYS, strict=True):
            total = totals.setdefault(key(trial), [0.0, 0.0])
            total[0] += seconds
            total[1] += units * self._weight(trial, by_samples)

    def of(self, trial: Template) -> float | None:
        """Return the pace of the most similar trials, or None if nothing was measured."""
        for totals, (key, by_samples) in zip(self._totals, _KEYS, strict=True):
            seconds, units = totals.get(key(trial), (0.0, 0.0))
            if units > 0:
                return seconds / units * self._weight(trial, by_samples)
        return None

    def _weight(self, trial: Template, by_samples: bool) -> int:
        return trial.batch_size if by_samples and self._by_samples else 1


def _evaluations(trial: Template, step: int | None = None) -> float:
    """Return how often a trial evaluates, until a step or in all; at its end twice."""
    steps = trial.steps
    if step is None:
        return steps / (trial.eval_interval or steps) + 1
    return step / (trial.eval_interval or steps)


@dataclass(frozen=True, slots=True)
class Position:
    """How far a trial is, earlier workers included.

    Attributes:
        step: The step that it has reached.
        train_seconds: Time that its steps took.
        eval_seconds: Time that its evaluations took.
    """

    step: int = 0
    train_seconds: float = 0.0
    eval_seconds: float = 0.0


@dataclass
class _Running:
    """A trial in progress.

    Attributes:
        since: When a worker took it on.
        reported_at: When it last reported; None: not yet.
        position: How far it was then.
    """

    trial: CompleteTrial
    since: float
    reported_at: float | None = None
    position: Position = Position()


@dataclass(frozen=True)
class Forecast:
    """What is expected of a run.

    Attributes:
        seconds_left: Time until it ends.
        share_done: Share of its work that is done, in [0, 1].
    """

    seconds_left: float
    share_done: float


def bounds_on_slots(total: float, longest: float, slots: float) -> tuple[float, float]:
    """Return between which times workers are done that take the next trial when they are free.

    Source: R. L. Graham, "Bounds on multiprocessing timing anomalies", 1969.

    Args:
        total: Seconds of all trials.
        longest: Seconds of the longest trial, or chain of trials that wait for one another.
        slots: Trials that run at a time.
    """
    least = max(total / slots, longest)
    return least, max(least, total / slots + longest * (1 - 1 / slots))


class Estimate:
    """Predicts a run's remaining time.

    A trial is expected to take its steps times the measured seconds per step of trials like it, and
    its evaluations likewise. Trials that diverge early make others of their kind shorter.
    Starting Ray and workers does not count.

    Args:
        clock: Seconds, monotonic.

    Attributes:
        slots: How many trials the cluster has room for; 0: unknown.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.slots = 0
        self._clock = clock
        self._training = _Pace(by_samples=True)
        self._evaluating = _Pace(by_samples=False)
        self._running: dict[str, _Running] = {}
        self._overheads: deque[float] = deque(maxlen=50)
        self._first_start: float | None = None
        self._busy: deque[tuple[float, float]] = deque()  # time, seconds that workers were busy
        self._steps_at: deque[tuple[float, int]] = deque()
        self._steps = 0
        self._seconds_done = 0.0

    @property
    def running(self) -> int:
        """Number of trials in progress."""
        return len(self._running)

    def started(self, trial: CompleteTrial) -> None:
        """Note that a worker has taken on a trial."""
        now = self._clock()
        if self._first_start is None:
            self._first_start = now
            self._steps_at.append((now, 0))
        self._count_busy(now)
        self._running[trial.id] = _Running(trial, now)

    def at(self, trial: CompleteTrial, position: Position) -> None:
        """Note how far a trial in progress is."""
        running = self._running.get(trial.id)
        if running is None:
            return
        now, before = self._clock(), running.position
        self._learn(trial, before, position, position.step, _evaluations(trial, position.step))
        new = position.step - before.step
        seconds = position.train_seconds + position.eval_seconds
        if running.reported_at is None and seconds > 0:  # what an earlier worker did is not new
            new = round(new * min(1.0, (now - running.since) / seconds))
        self._count_steps(now, new)
        running.position, running.reported_at = position, now

    def ended(self, trial: CompleteTrial, outcome: Outcome) -> None:
        """Note that a trial has ended; one that diverged counts with all the steps it had left."""
        self._count_busy(self._clock())
        running = self._running.pop(trial.id, None)
        measured = outcome.measurements
        if running is None or "train_seconds" not in measured:
            return
        now, before = self._clock(), running.position
        end = Position(
            measured.get("steps_done", trial.steps),
            measured["train_seconds"],
            measured.get("eval_seconds", 0.0),
        )
        self._learn(trial, before, end, trial.steps, _evaluations(trial))
        self._count_steps(now, end.step - before.step)
        seconds = end.train_seconds + end.eval_seconds
        self._overheads.append(max(0.0, now - running.since - seconds))
        self._seconds_done += seconds

    def _learn(
        self, trial: Template, before: Position, now: Position, steps: int, evaluations: float
    ) -> None:
        done = _evaluations(trial, before.step) if before.step else 0.0
        self._training.add(trial, now.train_seconds - before.train_seconds, steps - before.step)
        self._evaluating.add(trial, now.eval_seconds - before.eval_seconds, evaluations - done)

    def cut_off(self, trial: CompleteTrial) -> None:
        """Note that a trial's worker was lost."""
        self._count_busy(self._clock())
        self._running.pop(trial.id, None)

    def forecast(self, expected: Iterable[Sequence[Stage]]) -> Forecast | None:
        """Predict the rest of the run; None before anything was measured.

        Args:
            expected: What has not started; see `Planner.expected`.
        """
        overhead = mean(self._overheads) if self._overheads else 0.0
        done, total, longest = self._seconds_done, 0.0, 0.0
        for running in self._running.values():
            whole = self._expected(running.trial, overhead)
            if whole is None:
                return None
            rest = self._rest(running, whole)
            done, total, longest = done + max(0.0, whole - rest), total + rest, max(longest, rest)
        for stages in expected:
            in_turn = 0.0
            for stage in stages:
                whole = self._expected(stage.trial, overhead)
                if whole is None:
                    return None
                total += stage.count * whole
                in_turn += stage.rounds * whole
            longest = max(longest, in_turn)
        least, most = bounds_on_slots(total, longest, self._parallel_trials())
        return Forecast((least + most) / 2, done / (done + total) if done + total else 1.0)

    def steps_per_second(self) -> float | None:
        """Return the speed of all workers together over the last half minute."""
        now = self._clock()
        while len(self._steps_at) > 1 and self._steps_at[0][0] < now - WINDOW_SECONDS:
            self._steps_at.popleft()
        if not self._steps or now <= self._steps_at[0][0]:
            return None
        return (self._steps - self._steps_at[0][1]) / (now - self._steps_at[0][0])

    def _count_busy(self, now: float) -> None:
        """Add up the time that workers were busy, before a trial starts or ends."""
        time, busy = self._busy[-1] if self._busy else (now, 0.0)
        self._busy.append((now, busy + len(self._running) * (now - time)))
        while len(self._busy) > 2 and self._busy[1][0] < now - WINDOW_SECONDS:
            self._busy.popleft()

    def _count_steps(self, now: float, steps: int) -> None:
        self._steps += max(0, steps)
        self._steps_at.append((now, self._steps))

    def _expected(self, trial: Template, overhead: float) -> float | None:
        """Return the seconds that a whole trial keeps a worker busy."""
        step, evaluation = self._training.of(trial), self._evaluating.of(trial)
        if step is None:
            return None
        return overhead + step * (trial.steps) + (evaluation or 0.0) * _evaluations(trial)

    def _rest(self, running: _Running, whole: float) -> float:
        """Return the seconds that a trial in progress still takes."""
        now, steps = self._clock(), running.trial.steps
        if running.reported_at is None:
            return max(0.0, whole - (now - running.since))
        return max(0.0, whole * (1 - running.position.step / steps) - (now - running.reported_at))

    def _parallel_trials(self) -> float:
        """Return how many trials ran at a time lately, or at first how many there is room for.

        Time between trials, in which a worker waits for its next, makes it less than the workers.
        """
        now = self._clock()
        self._count_busy(now)
        (start, before), (end, busy) = self._busy[0], self._busy[-1]
        if self._first_start is None or now - self._first_start < START_UP_SECONDS:
            return max(1, len(self._running), self.slots)
        return max(0.1, (busy - before) / (end - start) if end > start else 1.0)
