"""Which trial comes next: range tests unlock the trainings that need them, cell by cell.

Plain Python: a runner asks `next` and reports with `tell`. The state is never saved; a planner
that is given the recorded outcomes of an earlier run goes on where that one was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from superconv_ray.analysis.range_test import accuracy_peak
from superconv_ray.outcome import Outcome
from superconv_ray.plan import Cell, Plan
from superconv_ray.trial import Trial

READ_COLUMN = "validation_accuracy_reestimated"
"""What a range test is read on. With BN's running statistics, which lag behind weights that move
fast, the accuracy at a large learning rate jumps by tens of points from row to row (NOTES.md)."""


class Signal(Enum):
    """What `Planner.next` says when it has no trial to give."""

    WAIT = "nothing is ready until a running trial ends"
    FINISHED = "nothing is left"


@dataclass(frozen=True)
class Membership:
    """A trial's part in a study: one row of the study's table.

    Attributes:
        role: What the trial is for: to choose a hyper-parameter, or to be measured.
        max_lr_source: "given" by the study, or read off a "range_test".
        max_lr_rule: The rule it was read by.
        max_lr_trials: Ids of the range tests it was read off.
    """

    trial_id: str
    arm: str
    cell: int
    data_fraction: float | None
    role: Literal["range_test", "training"]
    max_lr_source: Literal["given", "range_test"]
    max_lr_rule: str | None = None
    max_lr_trials: tuple[str, ...] = ()


class Planner:
    """The order in which a plan's trials are run.

    Args:
        plan: The checked study.
        recorded: Outcome of an earlier run by trial id, or None; a recorded trial is never given
            out again.
        max_trials: Give out at most this many trials, then be finished.
    """

    def __init__(
        self,
        plan: Plan,
        recorded: Callable[[str], Outcome | None] = lambda _: None,
        max_trials: int | None = None,
    ) -> None:
        self.plan = plan
        self.memberships: list[Membership] = []
        self.outcomes: dict[str, str] = {}
        self.blocked: list[tuple[Cell, str]] = []
        self._recorded = recorded
        self._allowance = max_trials
        self._ready: deque[Trial] = deque()
        self._running: dict[str, Trial] = {}
        self._known: set[str] = set()
        self._locked = 0  # trainings that wait for a range test
        self._tests: dict[str, Outcome] = {}
        self._missing: dict[int, int] = {}  # cell -> range tests it still waits for
        self._waiting: dict[str, list[int]] = {}  # range test -> cells that wait for it
        for index, cell in enumerate(plan.cells):
            self._add_cell(index, cell)
        self._enqueue(_by_seed(plan.cells))

    @property
    def left(self) -> int:
        """Trials not yet ended: ready, running, or waiting for a range test."""
        return len(self._ready) + len(self._running) + self._locked

    @property
    def to_come(self) -> int:
        """Of those left, the trials that this run will still end: max_trials may allow fewer."""
        if self._allowance is None:
            return self.left
        return min(self.left, len(self._running) + self._allowance)

    @property
    def total(self) -> int:
        """All trials of the plan, as far as known: locked cells may turn out to share some."""
        return len(self.outcomes) + self.left

    def datasets_needed(self) -> set[str]:
        """Names of the data sets of the trials that are left."""
        needed = {trial.dataset for trial in self._ready}
        locked = (self.plan.cells[index] for index, tests in self._missing.items() if tests)
        return needed | {trial.dataset for cell in locked for trial in cell.trainings}

    def next(self) -> Trial | Signal:
        """The next trial to run, or why there is none."""
        if self._allowance == 0:
            return Signal.FINISHED
        if not self._ready:
            return Signal.WAIT if self._running else Signal.FINISHED
        trial = self._ready.popleft()
        self._running[trial.id] = trial
        if self._allowance is not None:
            self._allowance -= 1
        return trial

    def tell(self, trial_id: str, outcome: Outcome) -> None:
        """Report how a trial ended; this may make others ready.

        Raises:
            KeyError: The trial was not given out, or has been told already.
        """
        self._note(self._running.pop(trial_id).id, outcome)

    def _add_cell(self, index: int, cell: Cell) -> None:
        for trial in cell.range_tests:
            self._join(index, cell, trial, "range_test")
            self._waiting.setdefault(trial.id, []).append(index)
        if cell.reading is None:
            for trial in cell.trainings:
                self._join(index, cell, trial, "training")
        else:
            self._missing[index] = len(cell.range_tests)
            self._locked += len(cell.trainings)

    def _note(self, trial_id: str, outcome: Outcome) -> None:
        self.outcomes[trial_id] = outcome.status
        cells = self._waiting.pop(trial_id, ())
        if cells:
            self._tests[trial_id] = outcome
        for index in cells:
            self._missing[index] -= 1
            if not self._missing[index]:
                self._unlock(index)

    def _enqueue(self, trials: Iterable[Trial], *, first: bool = False) -> None:
        """Make trials ready, unless they are known already or were recorded by an earlier run."""
        fresh = []
        for trial in trials:
            if trial.id in self._known:
                continue
            self._known.add(trial.id)
            outcome = self._recorded(trial.id)
            if outcome is None:
                fresh.append(trial)
            else:
                self._note(trial.id, outcome)
        if first:
            self._ready.extendleft(reversed(fresh))
        else:
            self._ready.extend(fresh)

    def _unlock(self, index: int) -> None:
        """Read a cell's max_lr, now that its range tests have ended, and make it ready."""
        cell = self.plan.cells[index]
        self._locked -= len(cell.trainings)
        try:
            tests = [self._tests[trial.id] for trial in cell.range_tests]
            trainings = cell.trainings_at(accuracy_peak([_accuracy_curve(test) for test in tests]))
        except ValueError as error:
            self.blocked.append((cell, str(error)))
            return
        for trial in trainings:
            self._join(index, cell, trial, "training")
        self._enqueue(trainings, first=True)

    def _join(
        self, index: int, cell: Cell, trial: Trial, role: Literal["range_test", "training"]
    ) -> None:
        read = cell.reading if role == "training" else None
        self.memberships.append(
            Membership(
                trial_id=trial.id,
                arm=cell.arm,
                cell=index,
                data_fraction=trial.data_fraction,
                role=role,
                max_lr_source="range_test" if read else "given",
                max_lr_rule=read.rule if read else None,
                max_lr_trials=tuple(test.id for test in cell.range_tests) if read else (),
            )
        )


def _by_seed(cells: tuple[Cell, ...]) -> Iterator[Trial]:
    """All trials that are ready at once, first those of every cell's first seed, and so on."""
    columns: list[tuple[Trial, ...]] = [cell.range_tests or cell.trainings for cell in cells]
    for replicate in range(max(map(len, columns), default=0)):
        for column in columns:
            if replicate < len(column):
                yield column[replicate]


def _accuracy_curve(test: Outcome) -> tuple[list[Any], list[Any]]:
    if test.status == "failed":
        raise ValueError("a range test of this cell failed; it is run again with the next run")
    # A diverged run's last row is where that was noticed, at a rate its replicates need not have
    # been measured at. From there on it counts as accuracy 0 anyway: see `mean_curve`.
    rows = test.curve[:-1] if test.status == "diverged" else test.curve
    return [row["lr"] for row in rows], [row[READ_COLUMN] for row in rows]
