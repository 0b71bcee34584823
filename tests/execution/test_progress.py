"""What a run shows, with a planner and a clock that are set by hand."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from superconv_ray.design.outcome import Outcome
from superconv_ray.design.trial import CompleteTrial, Trial
from superconv_ray.execution import display
from superconv_ray.execution.display import LogDisplay, View, _Output, plain_console
from superconv_ray.execution.estimate import Position
from superconv_ray.execution.progress import ERRORS_IN_FULL, RECENT, Progress
from superconv_ray.planning.planner import Planner, Stage


@dataclass
class FakePlanner:
    """What a display reads off a planner."""

    left: int
    outcomes: dict[str, str] = field(default_factory=dict)
    running: int = 0
    allowance: int | None = None

    @property
    def to_come(self) -> int:
        return self.left if self.allowance is None else min(self.left, self.allowance)

    @property
    def total(self) -> int:
        return len(self.outcomes) + self.left

    def expected(self) -> Iterator[tuple[Stage, ...]]:
        yield (Stage(a_trial(99), self.to_come - self.running),)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Screen:
    """The display of a study of eight trials, and what happens to them."""

    def __init__(self, *, terminal: bool = False, found: int = 0) -> None:
        self.clock = Clock()
        outcomes = {f"found {i}": "completed" for i in range(found)}
        self.planner = FakePlanner(8 - found, outcomes)
        self.file = io.StringIO()
        console = plain_console(file=self.file, force_terminal=terminal, width=200)
        self.progress = Progress(console, clock=self.clock)
        self.progress.follow(cast("Planner", self.planner))

    def start(self, seed: int) -> CompleteTrial:
        trial = a_trial(seed)
        self.planner.running += 1
        self.progress.started(trial)
        return trial

    def end(self, trial: CompleteTrial, outcome: Outcome) -> None:
        self.planner.outcomes[trial.id] = outcome.status
        self.planner.left -= 1
        self.planner.running -= 1
        self.progress.ended(trial, outcome)

    def run(self, seed: int, outcome: Outcome | None = None, seconds: float = 0.0) -> None:
        trial = self.start(seed)
        self.clock.now += seconds
        self.end(trial, outcome or completed(seconds))

    @property
    def text(self) -> str:
        return self.file.getvalue()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def a_trial(seed: int) -> CompleteTrial:
    return Trial(max_lr=0.1, steps=10, data_count=100, seed=seed).complete()


def completed(seconds: float) -> Outcome:
    return Outcome(
        "completed", {"test_accuracy": 0.9123, "train_seconds": seconds, "steps_done": 10}
    )


def failed(error: str) -> Outcome:
    return Outcome("failed", error=error)


# User text is never markup


NASTY = "sizes[/v2] [bold]x[/bold] :smile:"


@pytest.mark.parametrize("terminal", [False, True])
def test_every_kind_of_message_shows_a_users_text_as_it_is(terminal: bool) -> None:
    screen = Screen(terminal=terminal)
    progress = screen.progress
    with progress:
        progress.phase(f"phase {NASTY}")
        progress.note(f"note {NASTY}")
        progress.warn(f"warning {NASTY}")
        trial = replace(a_trial(0), dataset=NASTY)
        progress.started(trial)
        progress.lost(trial, f"lost {NASTY}")
        screen.end(trial, completed(1.0))
        for seed in (1, 2):  # in full, then its last line
            progress.started(replace(trial, seed=seed))
            screen.end(replace(trial, seed=seed), failed(f"first line\nerror {NASTY}"))
        screen.clock.now += 100
        screen.end(replace(trial, seed=3), completed(1.0))
    for kind in ("phase", "note", "warning", "lost", "error"):
        assert f"{kind} {NASTY}" in screen.text
    assert f"{NASTY} n=100 small_cnn one_cycle max_lr=0.1 seed=0: test accuracy" in screen.text


def test_what_others_print_while_a_display_is_live_is_shown_as_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = Screen(terminal=True)
    with screen.progress:
        print(NASTY, end="", flush=True)  # half a line, as of a progress bar
        print(NASTY)
    assert screen.text.count(NASTY) == 2
    assert not capsys.readouterr().out


def test_a_notebook_shows_a_users_text_as_it_is() -> None:
    for view in (View(NASTY), View(NASTY, share=0.5, recent=(NASTY,))):
        assert NASTY in _Output(view)._repr_mimebundle_()["text/plain"]


def test_the_package_makes_no_console_that_reads_markup() -> None:
    # rich's functions on plain strings are safe with a console that reads none.
    sources = list(Path(display.__file__).parents[1].rglob("*.py"))
    making = re.compile(r"\bConsole\(|from_markup|rich\.print|from rich import")
    found = [
        (p.name, line)
        for p in sources
        for line in p.read_text().splitlines()
        if making.search(line)
    ]
    assert found == [
        ("display.py", "    return Console(markup=False, emoji=False, highlight=False, **options)")
    ]


# Phases


def test_a_terminal_shows_the_phase_from_the_beginning() -> None:
    screen = Screen(terminal=True)
    with screen.progress:
        assert "reading the store ..." in screen.text
        screen.progress.phase("starting Ray")
        assert "starting Ray ..." in screen.text
        assert "ETA" not in screen.text


def test_a_log_names_each_phase_once() -> None:
    screen = Screen()
    with screen.progress:
        screen.progress.phase("loading torch")
        screen.progress.phase("starting Ray")
    assert screen.lines == ["loading torch", "starting Ray"]


# Lines of a log


def test_a_line_says_what_is_done_running_and_left() -> None:
    screen = Screen()
    with screen.progress:
        screen.run(0, seconds=10.0)
        screen.clock.now += LogDisplay.interval
        screen.start(1)
        screen.clock.now += LogDisplay.interval
        screen.run(2, seconds=10.0)
    assert screen.lines[0] == (
        "1 of 8 trials done, 7 left, 1 steps/s, ETA 70 s | last: digits n=100 small_cnn "
        "one_cycle max_lr=0.1 seed=0: test accuracy 91.2 %, 10 s"
    )
    assert screen.lines[1].startswith("2 of 8 trials done, 1 running, 6 left")


def test_a_log_has_no_control_characters() -> None:
    screen = Screen()
    with screen.progress:
        screen.run(0, failed("Traceback\nRuntimeError: [red]no[/red]"))
        screen.run(1)
    assert "\x1b" not in screen.text
    assert "RuntimeError: [red]no[/red]" in screen.text


def test_many_short_trials_do_not_flood_a_log() -> None:
    screen = Screen()
    with screen.progress:
        for seed in range(7):
            screen.run(seed, seconds=LogDisplay.interval / 4)
        assert len(screen.lines) == 2  # the first, and the fifth: one interval later


def test_a_log_has_occasional_lines_while_no_trial_ends() -> None:
    screen = Screen()
    with screen.progress:
        trial = screen.start(0)
        for _ in range(30):
            screen.clock.now += LogDisplay.idle_interval / 10
            screen.progress.at(trial, Position(1, 1.0))
        assert len(screen.lines) == 3


def test_the_last_line_of_a_log_is_the_final_state() -> None:
    screen = Screen()
    with screen.progress:
        for seed in range(8):
            screen.run(seed)
    assert screen.lines[-1] == "8 of 8 trials done"


def test_a_run_without_a_finished_trial_prints_nothing() -> None:
    screen = Screen()
    with screen.progress:
        screen.start(0)
    assert screen.text == ""


# Counts


def test_diverged_and_failed_trials_are_counted() -> None:
    screen = Screen()
    with screen.progress:
        screen.run(0, Outcome("diverged"))
        screen.run(1, failed("RuntimeError"))
        screen.run(2, Outcome("diverged"))
    assert screen.lines[-1].startswith("3 of 8 trials done, 2 diverged, 1 failed, 5 left")


def test_trials_found_in_the_store_count_as_done_but_not_for_the_pace() -> None:
    screen = Screen(found=4)
    with screen.progress:
        screen.run(0, seconds=20.0)
    assert screen.lines[-1] == "5 of 8 trials done, 3 left, 0.5 steps/s, ETA 60 s"


def test_the_eta_covers_only_the_trials_that_this_run_may_start() -> None:
    screen = Screen()
    screen.planner.allowance = 2
    with screen.progress:
        screen.run(0, seconds=10.0)
    assert screen.lines[-1].endswith("7 left, 1 steps/s, ETA 20 s")


def test_a_trial_that_is_started_again_is_running_once_and_counted() -> None:
    screen = Screen()
    with screen.progress:
        trial = screen.start(0)
        screen.progress.lost(trial, None)
        screen.progress.started(trial)
        screen.run(1)
    assert "1 of 8 trials done, 1 started again, 1 running, 7 left" in screen.lines[-1]
    assert "warning" not in screen.text


def test_a_restart_that_may_be_the_trials_fault_is_a_warning() -> None:
    screen = Screen()
    with screen.progress:
        screen.progress.lost(screen.start(0), "out of memory")
    assert "warning: digits n=100" in screen.lines[0]
    assert screen.lines[0].endswith("seed=0: out of memory; started again")


def test_a_trial_that_no_worker_could_start_can_end() -> None:
    screen = Screen()
    with screen.progress:
        screen.end(a_trial(0), failed("ModuleNotFoundError"))
    assert screen.lines[-1].startswith("1 of 8 trials done, 1 failed, 7 left")


# Errors


def test_an_error_is_shown_in_full_once_and_then_in_a_line_for_each_trial() -> None:
    screen = Screen()
    with screen.progress:
        for seed, luck in enumerate(("no luck", "no luck", "bad luck")):
            screen.run(seed, failed(f"Traceback\n  in forward\nRuntimeError: {luck}\n"))
    name = "failed: digits n=100 small_cnn one_cycle max_lr=0.1 seed="
    shown = [line for line in screen.lines if "trials done" not in line]
    assert shown == [
        f"{name}0 (trial {a_trial(0).id})",
        *("Traceback", "  in forward", "RuntimeError: no luck"),
        f"{name}1 (trial {a_trial(1).id}): RuntimeError: no luck",
        f"{name}2 (trial {a_trial(2).id})",
        *("Traceback", "  in forward", "RuntimeError: bad luck"),
    ]


def test_only_the_first_few_different_errors_are_shown_in_full() -> None:
    screen = Screen()
    with screen.progress:
        for seed in range(ERRORS_IN_FULL + 2):
            screen.run(seed, failed(f"in full\nRuntimeError: no luck with {seed}"))
    assert screen.text.count("in full") == ERRORS_IN_FULL
    assert screen.text.count("no luck with") == ERRORS_IN_FULL + 2


# A terminal


def test_on_a_terminal_the_state_is_live_with_the_latest_results() -> None:
    screen = Screen(terminal=True)
    with screen.progress:
        screen.start(7)
        for seed in range(6):
            screen.run(seed, seconds=10.0)
        shown = screen.text[screen.text.rfind("max_lr=0.1 seed=1") :]
    assert "\x1b[?25l" in screen.text  # the cursor is hidden while it is live
    assert [f"seed={seed}: test accuracy" in shown for seed in (0, *range(1, 6))] == [
        False,
        *[True] * RECENT,
    ]
    assert "━" in shown
    assert "6 of 8 trials done, 1 running, 2 left" in shown
    assert screen.text.rstrip().endswith("\x1b[?25h")  # and shown again


def test_time_left_is_unknown_until_something_was_measured() -> None:
    screen = Screen(terminal=True)
    with screen.progress:
        screen.clock.now += 1.0
        trial = screen.start(0)
        assert "0 of 8 trials done, 1 running, 8 left, ETA unknown" in screen.text
        screen.clock.now += 5.0
        screen.progress.at(trial, Position(1, 5.0))
    assert "ETA 7 min" in screen.text  # 5 s a step, and 79 of them


def test_an_interrupted_run_restores_the_terminal() -> None:
    screen = Screen(terminal=True)
    with pytest.raises(KeyboardInterrupt), screen.progress:
        raise KeyboardInterrupt
    assert screen.text.rstrip().endswith("\x1b[?25h")


def test_a_terminal_is_not_redrawn_for_every_short_trial() -> None:
    screen = Screen(terminal=True)
    drawn = []

    def count(view: View) -> None:
        drawn.append(view)

    with screen.progress, pytest.MonkeyPatch.context() as patch:
        patch.setattr(screen.progress._display, "show", count)
        for seed in range(6):
            screen.run(seed, seconds=0.01)
    assert len(drawn) == 1
