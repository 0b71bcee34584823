"""Which trial comes next: what is chosen first, what is measured then, and with how many seeds.

Plain Python: a runner asks `next` and reports with `tell`. The state is never saved; a planner
that is given the recorded outcomes of an earlier run goes on where that one was. Whatever order
trials end in, the same trials are run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from superconv_ray.analysis.statistics.sequential import sign_decided
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.plan import Cell, Plan
from superconv_ray.design.seeds import AtLeast
from superconv_ray.design.trial import Trial
from superconv_ray.planning.selection import Choice, Role, choice_of


class Signal(Enum):
    """What `Planner.next` says when it has no trial to give."""

    WAIT = "nothing is ready until a running trial ends"
    FINISHED = "nothing is left"


@dataclass(frozen=True)
class Membership:
    """A trial's part in a study: one row of the study's table.

    Attributes:
        role: What the trial is for: to choose settings, or to be measured.
        chosen: The settings of a training that were chosen by experiment.
        chosen_by: The rule they were chosen by.
        chosen_from: Ids of the trials they were chosen from.
    """

    trial_id: str
    arm: str
    cell: int
    data_fraction: float | None
    role: Role
    chosen: tuple[str, ...] = ()
    chosen_by: str | None = None
    chosen_from: tuple[str, ...] = ()


@dataclass
class _CellState:
    """A cell on its way through a run.

    Attributes:
        locked: Its trials that are not ready yet, further seeds of its point not included.
        round: The trials of the choice's present round.
        chosen_from: Ids of the trials of all rounds so far.
        trainings: All that may be needed, once every setting is known.
    """

    index: int
    cell: Cell
    choice: Choice | None
    point: _Point
    locked: int = 0
    round: tuple[Trial, ...] = ()
    chosen: tuple[str, ...] = ()
    chosen_from: tuple[str, ...] = ()
    trainings: tuple[Trial, ...] = ()


@dataclass
class _Point:
    """The cells of all arms at one point of the sweep, which always have the same seeds.

    Attributes:
        seeds: How many seeds every cell may run.
        further: How many may be added.
    """

    seeds: int
    further: int
    states: list[_CellState] = field(default_factory=list)

    @property
    def locked(self) -> int:
        """Trainings with seeds that may be added."""
        return self.further * len(self.states)


@dataclass
class _Barrier:
    """What is to be done once a number of trials have ended."""

    missing: int
    then: Callable[[], None]


class Planner:
    """The order in which a plan's trials are run.

    Args:
        plan: The checked study.
        recorded: Outcome of an earlier run by trial id, or None; a recorded trial is never given
            out again. Must have the measurements and the curve that choices are made by.
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
        self._ended: dict[str, Outcome] = {}
        self._barriers: dict[str, list[_Barrier]] = {}  # trial -> what waits for it
        self._due: deque[Callable[[], None]] = deque()
        self._points: list[_Point] = []
        self._states: list[_CellState] = []
        arms = len(plan.study.arms)
        for start in range(0, len(plan.cells), arms):
            self._add_point(plan.cells[start : start + arms])
        self._enqueue(_by_seed([self._begin(state) for state in self._states]))
        self._settle()

    @property
    def left(self) -> int:
        """Trials not yet ended: ready, running, or waiting for others; at most that many."""
        locked = sum(state.locked for state in self._states)
        locked += sum(point.locked for point in self._points)
        return len(self._ready) + len(self._running) + locked

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
        waiting = (state for state in self._states if state.locked or state.point.locked)
        later = {trial.dataset for state in waiting for trial in state.cell.trainings}
        return later | {trial.dataset for trial in self._ready}

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
        self._settle()

    # A cell: its choice, then its trainings

    def _add_point(self, cells: Sequence[Cell]) -> None:
        study = self.plan.study
        first = study.first_seeds()
        point = _Point(seeds=first, further=len(study.seed_values()) - first)
        for cell in cells:
            choice = choice_of(cell, study.tuning)
            point.states.append(_CellState(len(self._states), cell, choice, point))
            self._states.append(point.states[-1])
        self._points.append(point)

    def _begin(self, state: _CellState) -> tuple[Trial, ...]:
        """The trials of a cell that are ready at once."""
        if state.choice is None:
            return self._release(state, state.cell.trainings)
        state.locked = state.choice.size + state.point.seeds
        return self._next_round(state, state.choice)

    def _next_round(self, state: _CellState, choice: Choice) -> tuple[Trial, ...]:
        state.round = choice.propose()
        if state.round:
            state.locked -= len(state.round)
            state.chosen_from += tuple(trial.id for trial in state.round)
            self._join(state, state.round, choice.role)
            self._after(state.round, lambda: self._end_round(state, choice))
        return state.round

    def _end_round(self, state: _CellState, choice: Choice) -> None:
        try:
            choice.tell([self._ended[trial.id] for trial in state.round])
            trials = self._next_round(state, choice)
            if not trials:
                settings = choice.settings()
                state.chosen = tuple(sorted(settings))
                trials = self._release(state, state.cell.trainings_with(**settings))
        except ValueError as error:
            self.blocked.append((state.cell, str(error)))
            state.locked = state.point.further = 0
            return
        self._enqueue(trials, first=True)

    def _release(self, state: _CellState, trainings: tuple[Trial, ...]) -> tuple[Trial, ...]:
        """Every setting is known: the trainings that are ready now."""
        state.locked = 0
        state.trainings = trainings
        released = trainings[: state.point.seeds]
        self._join(state, released, "training")
        if all(other.trainings for other in state.point.states):
            self._watch(state.point)
        return released

    # A point: further seeds, as long as it is open which arm is better

    def _watch(self, point: _Point) -> None:
        if point.further:
            trials = [t for state in point.states for t in state.trainings[: point.seeds]]
            self._after(trials, lambda: self._decide(point))

    def _decide(self, point: _Point) -> None:
        """Every arm has been measured with the same seeds: add one, or leave it at these."""
        if not point.further or self._is_decided(point):
            point.further = 0
            return
        point.seeds += 1
        point.further -= 1
        added = [state.trainings[point.seeds - 1] for state in point.states]
        for state, trial in zip(point.states, added, strict=True):
            self._join(state, (trial,), "training")
        self._enqueue(added, first=True)
        self._watch(point)

    def _is_decided(self, point: _Point) -> bool:
        rule = self.plan.study.seeds
        assert isinstance(rule, AtLeast), "only such a study adds seeds"
        arms = [
            [self._ended[trial.id] for trial in state.trainings[: point.seeds]]
            for state in point.states
        ]
        if any(outcome.status == "failed" for arm in arms for outcome in arm):
            return True  # the next run tries them again, and goes on from there
        first, *others = ([_accuracy(outcome) for outcome in arm] for arm in arms)
        return all(
            sign_decided(
                [a - b for a, b in zip(first, other, strict=True)],
                at_least=rule.least,
                up_to=rule.up_to,
            )
            for other in others
        )

    # Trials

    def _after(self, trials: Iterable[Trial], then: Callable[[], None]) -> None:
        """Do something once these have all ended."""
        missing = {trial.id for trial in trials} - self._ended.keys()
        if not missing:
            self._due.append(then)
        barrier = _Barrier(len(missing), then)
        for trial_id in missing:
            self._barriers.setdefault(trial_id, []).append(barrier)

    def _note(self, trial_id: str, outcome: Outcome) -> None:
        self.outcomes[trial_id] = outcome.status
        self._ended[trial_id] = outcome
        for barrier in self._barriers.pop(trial_id, ()):
            barrier.missing -= 1
            if not barrier.missing:
                self._due.append(barrier.then)

    def _settle(self) -> None:
        """Do what is due. A loop: recorded trials can end a hundred rounds, one after another."""
        while self._due:
            self._due.popleft()()

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

    def _join(self, state: _CellState, trials: Iterable[Trial], role: Role) -> None:
        choice = state.choice if role == "training" else None
        for trial in trials:
            self.memberships.append(
                Membership(
                    trial_id=trial.id,
                    arm=state.cell.arm,
                    cell=state.index,
                    data_fraction=trial.data_fraction,
                    role=role,
                    chosen=state.chosen,
                    chosen_by=choice.rule if choice else None,
                    chosen_from=state.chosen_from if choice else (),
                )
            )


def _by_seed(columns: Sequence[tuple[Trial, ...]]) -> Iterator[Trial]:
    """All trials that are ready at once, first those of every cell's first seed, and so on."""
    for replicate in range(max(map(len, columns), default=0)):
        for column in columns:
            if replicate < len(column):
                yield column[replicate]


def _accuracy(outcome: Outcome) -> float:
    """What a training is measured by: test labels, or held-out ones where it holds some out."""
    test = outcome.measurements.get("test_accuracy")
    accuracy: float = outcome.measurements["validation_accuracy"] if test is None else test
    return accuracy
