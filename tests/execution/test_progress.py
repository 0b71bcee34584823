"""What a run shows, with a planner and a clock that are set by hand."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import pytest
from rich.console import Console

from superconv_ray.design.outcome import Outcome
from superconv_ray.design.trial import CompleteTrial, Trial
from superconv_ray.execution import progress as progress_module
from superconv_ray.execution.progress import (
    ERRORS_IN_FULL,
    PLAIN_INTERVAL,
    RECENT,
    Progress,
)
from superconv_ray.planning.planner import Planner

COMPLETED = Outcome("completed", {"test_accuracy": 0.9123, "train_seconds": 2.25})


@dataclass
class FakePlanner:
    """The counts that a display reads off a planner."""

    left: int
    outcomes: dict[str, str] = field(default_factory=dict)
    allowance: int | None = None

    @property
    def to_come(self) -> int:
        return self.left if self.allowance is None else min(self.left, self.allowance)

    @property
    def total(self) -> int:
        return len(self.outcomes) + self.left


class Clock:
    """Stands for the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Display:
    """A display of a study of eight trials, and what happens to them."""

    def __init__(self, clock: Clock, *, terminal: bool = False, found: int = 0) -> None:
        self.clock = clock
        outcomes = {f"found {i}": "completed" for i in range(found)}
        self.planner = FakePlanner(8 - found, outcomes)
        self.screen = io.StringIO()
        console = Console(file=self.screen, force_terminal=terminal, width=200)
        self.progress = Progress(cast("Planner", self.planner), console)

    def start(self, seed: int) -> CompleteTrial:
        trial = a_trial(seed)
        self.progress.started(trial)
        return trial

    def end(self, trial: CompleteTrial, outcome: Outcome = COMPLETED) -> None:
        self.planner.outcomes[trial.id] = outcome.status
        self.planner.left -= 1
        self.progress.ended(trial, outcome)

    def run(self, seed: int, outcome: Outcome = COMPLETED, seconds: float = 0.0) -> None:
        trial = self.start(seed)
        self.clock.now += seconds
        self.end(trial, outcome)

    @property
    def text(self) -> str:
        return self.screen.getvalue()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def a_trial(seed: int) -> CompleteTrial:
    return Trial(max_lr=0.1, steps=10, data_count=100, seed=seed).complete()


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Display]:
    clock = Clock()
    monkeypatch.setattr(progress_module, "time", clock)
    return partial(Display, clock)


# Plain lines


def test_without_a_terminal_a_line_tells_what_is_done_running_and_left(
    show: Callable[..., Display],
) -> None:
    display = show()
    with display.progress:
        display.start(1)
        display.run(0, seconds=10.0)
    assert display.lines[0] == (
        "1 of 8 trials done, 1 running, 7 left, ETA 70 s | last: digits n=100 small_cnn "
        "one_cycle max_lr=0.1 seed=0: completed, test accuracy 91.2 %, 2.2 s"
    )


def test_without_a_terminal_there_are_no_control_characters(show: Callable[..., Display]) -> None:
    display = show()
    with display.progress:
        display.run(0, Outcome("failed", error="Traceback\nRuntimeError: [red]no[/red]"))
        display.run(1)
        display.progress.refresh()
    assert "\x1b" not in display.text
    assert "RuntimeError: [red]no[/red]" in display.text


def test_many_short_trials_do_not_flood_a_log(show: Callable[..., Display]) -> None:
    display = show()
    with display.progress:
        for seed in range(7):
            display.run(seed, seconds=PLAIN_INTERVAL / 4)
        assert len(display.lines) == 2  # the first, and the fifth: one interval later


def test_the_last_plain_line_is_the_final_state(show: Callable[..., Display]) -> None:
    display = show()
    with display.progress:
        for seed in range(8):
            display.run(seed)
    assert display.lines[-1] == "8 of 8 trials done"


def test_a_run_in_which_nothing_ends_prints_nothing(show: Callable[..., Display]) -> None:
    display = show()
    with display.progress:
        display.start(0)
    assert display.text == ""


# Counts and time


def test_diverged_and_failed_trials_are_counted(show: Callable[..., Display]) -> None:
    display = show()
    with display.progress:
        display.run(0, Outcome("diverged"))
        display.run(1, Outcome("failed", error="RuntimeError"))
        display.run(2, Outcome("diverged"))
    assert display.lines[-1].startswith("3 of 8 trials done, 2 diverged, 1 failed, 5 left")


def test_trials_found_in_the_store_count_as_done_but_not_for_the_pace(
    show: Callable[..., Display],
) -> None:
    display = show(found=4)
    with display.progress:
        display.run(0, seconds=20.0)
    assert display.lines[-1] == "5 of 8 trials done, 3 left, ETA 60 s"


def test_long_times_left_are_in_minutes(show: Callable[..., Display]) -> None:
    display = show()
    with display.progress:
        display.run(0, seconds=60.0)
    assert display.lines[-1].endswith("7 left, ETA 7 min")


def test_the_time_left_is_that_of_the_trials_this_run_may_still_start(
    show: Callable[..., Display],
) -> None:
    display = show()
    display.planner.allowance = 2
    with display.progress:
        display.run(0, seconds=10.0)
    assert display.lines[-1].endswith("7 left, ETA 20 s")


def test_a_trial_that_is_started_again_after_its_worker_died_is_running_once(
    show: Callable[..., Display],
) -> None:
    display = show()
    with display.progress:
        trial = display.start(0)
        display.progress.started(trial)
        display.run(1)
    assert "1 of 8 trials done, 1 running, 7 left" in display.lines[-1]


def test_a_trial_may_end_that_no_worker_could_start(show: Callable[..., Display]) -> None:
    display = show()
    with display.progress:
        display.end(a_trial(0), Outcome("failed", error="ModuleNotFoundError"))
    assert display.lines[-1].startswith("1 of 8 trials done, 1 failed, 7 left")


# Errors


def test_each_different_error_is_shown_in_full_once_and_then_in_a_line(
    show: Callable[..., Display],
) -> None:
    display = show()
    with display.progress:
        for seed, luck in enumerate(("no luck", "no luck", "bad luck")):
            error = f"Traceback\nRuntimeError: {luck}\ntrial 1a2b: {{'seed': {seed}}}\n"
            display.run(seed, Outcome("failed", error=error))
    for seed, luck in ((0, "no luck"), (2, "bad luck")):
        shown = f"Traceback\nRuntimeError: {luck}\ntrial 1a2b: {{'seed': {seed}}}\n"
        assert display.text.count(shown) == 1
    assert display.text.count("no luck") == 1
    assert "failed: digits n=100 small_cnn one_cycle max_lr=0.1 seed=1" in display.text


def test_of_many_different_errors_the_first_few_are_shown_in_full(
    show: Callable[..., Display],
) -> None:
    display = show()
    with display.progress:
        for seed in range(ERRORS_IN_FULL + 2):
            error = f"RuntimeError: no luck with {seed}\ntrial 1a2b: {{}}"
            display.run(seed, Outcome("failed", error=error))
    assert display.text.count("no luck with") == ERRORS_IN_FULL


# A terminal


def test_on_a_terminal_the_state_is_live_with_the_latest_results(
    show: Callable[..., Display],
) -> None:
    display = show(terminal=True)
    with display.progress:
        display.start(7)
        for seed in range(6):
            display.run(seed, seconds=10.0)
        display.progress.refresh()
        shown = display.text[display.text.rfind("max_lr=0.1 seed=1") :]
    assert "\x1b[?25l" in display.text  # the cursor is hidden while it is live
    assert [f"seed={seed}: completed" in shown for seed in (0, *range(1, 6))] == [
        False,
        *[True] * RECENT,
    ]
    assert "6 of 8 trials done, 1 running, 2 left, ETA 20 s" in shown
    assert display.text.rstrip().endswith("\x1b[?25h")  # and shown again


def test_on_a_terminal_time_left_is_unknown_until_a_trial_has_ended(
    show: Callable[..., Display],
) -> None:
    display = show(terminal=True)
    with display.progress:
        display.start(0)
        display.progress.refresh()
    assert "0 of 8 trials done, 1 running, 8 left, ETA unknown" in display.text


def test_a_terminal_is_left_in_order_when_a_run_is_cut_off(show: Callable[..., Display]) -> None:
    display = show(terminal=True)
    with pytest.raises(KeyboardInterrupt), display.progress:
        raise KeyboardInterrupt
    assert display.text.rstrip().endswith("\x1b[?25h")


# One line on a trial
