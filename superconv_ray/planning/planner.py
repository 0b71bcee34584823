"""Which trial comes next: what is chosen first, what is measured then, and with how many seeds.

Plain Python: a runner asks `next` and reports with `tell`. The planner is never saved. Given the
recorded outcomes of an earlier run, a new one continues where that one stopped. The set of trials
that run does not depend on the order in which trials end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from superconv_ray.design.metrics import metric_of
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.plan import Cell, Plan
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.planning.cell_runs import CellRun, PointRun
from superconv_ray.planning.choice_runs import Membership
from superconv_ray.planning.scores import scored
from superconv_ray.planning.trial_queue import Signal, Stage, TrialQueue

__all__ = ["Membership", "Planner", "Signal", "Stage"]


class Planner:
    """The order in which a plan's trials are run.

    Args:
        plan: The checked study.
        recorded: Maps a trial id to the outcome that an earlier run recorded, or None. A recorded
            trial is not given out again. Its outcome must hold the measurements, and for range
            tests the curve, that choices are made by.
        max_trials: Give out at most this many trials, then be finished.
    """

    def __init__(
        self,
        plan: Plan,
        recorded: Callable[[str], Outcome | None] = lambda _: None,
        max_trials: int | None = None,
    ) -> None:
        self.plan = plan
        self._metric = metric_of(plan.study.base.settings())
        self._queue = TrialQueue(self._scored(recorded), max_trials)
        self._points: list[PointRun] = []
        self._cells: list[CellRun] = []
        for point in plan.points:
            self._points.append(PointRun(point, len(self._cells), plan, self._queue))
            self._cells += self._points[-1].cells
        self._queue.add(_by_seed([cell.begin() for cell in self._cells]))
        self._queue.settle()

    @property
    def outcomes(self) -> dict[str, str]:
        """Status of every trial that has ended, by id."""
        return self._queue.statuses

    @property
    def memberships(self) -> list[Membership]:
        """Parts in the study of all trials that are known so far, cell by cell."""
        return [member for cell in self._cells for member in cell.memberships]

    @property
    def blocked(self) -> list[tuple[Cell, str]]:
        """Cells that cannot continue, and why."""
        return [(run.cell, run.blocked) for run in self._cells if run.blocked is not None]

    @property
    def left(self) -> int:
        """Upper bound on the trials that have not ended: ready, running or waiting for others."""
        return len(self._queue) + sum(point.locked for point in self._points)

    @property
    def to_come(self) -> int:
        """Of those left, the trials that this run will still end, given `max_trials`."""
        return self._queue.runnable(self.left)

    @property
    def ready(self) -> Iterable[CompleteTrial]:
        """Trials that `next` gives out without any other having to end first."""
        return self._queue.ready

    @property
    def total(self) -> int:
        """Upper bound on the trials of the plan: cells may turn out to share some."""
        return len(self.outcomes) + self.left

    def expected(self, further: float = 0.5) -> Iterator[tuple[Stage, ...]]:
        """Yield what this run may still start, for estimates of time.

        The stages of a tuning run one after another.

        Args:
            further: Share of the seeds that may be added which is expected, in [0, 1].
        """
        ready = ((Stage(trial),) for trial in self._queue.ready)
        cells = (
            stages
            for point in self._points
            for run in point.cells
            for stages in run.expected(further)
        )
        return self._queue.allowed(chain(ready, cells))

    def datasets_needed(self) -> set[str]:
        """Names of the data sets of the trials that are left."""
        later = {
            run.cell.templates.pattern.dataset
            for point in self._points
            for run in point.cells
            if run.locked or point.further
        }
        return later | self._queue.datasets()

    def next(self) -> CompleteTrial | Signal:
        """Return the next trial to run, or why there is none."""
        return self._queue.take()

    def tell(self, trial_id: str, outcome: Outcome) -> None:
        """Report how a trial ended; this may make others ready.

        Raises:
            KeyError: The trial is not running: it was not given out, or has been reported already.
        """
        self._queue.end(trial_id, scored(outcome, self._metric))
        self._queue.settle()

    def _scored(self, recorded: Callable[[str], Outcome | None]) -> Callable[[str], Outcome | None]:
        def found(trial_id: str) -> Outcome | None:
            outcome = recorded(trial_id)
            return None if outcome is None else scored(outcome, self._metric)

        return found


def _by_seed(columns: Sequence[tuple[CompleteTrial, ...]]) -> Iterator[CompleteTrial]:
    """All trials that are ready at the start: first those of every cell's first seed, and so on."""
    for replicate in range(max(map(len, columns), default=0)):
        for column in columns:
            if replicate < len(column):
                yield column[replicate]
