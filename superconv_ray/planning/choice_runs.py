"""A choice of settings during a run: rounds of trials first, then the trainings that it is for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from superconv_ray.design.plan import Cell
from superconv_ray.design.replicates import Replicates
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.planning.choice import Choice, Role
from superconv_ray.planning.trial_queue import Stage, TrialQueue


@dataclass(frozen=True)
class Membership:
    """A trial's part in a study: one row of the study's table.

    Attributes:
        trial_id: Id of the trial.
        arm: Name of the arm.
        cell: Index of the cell in the plan.
        data_fraction: Fraction of labels that the study asked for.
        role: Purpose of the trial: to choose settings, or to be measured.
        chosen: Names of the training's settings that were chosen by experiment.
        chosen_by: The rule that chose them.
        chosen_from: Ids of the trials that they were chosen from.
    """

    trial_id: str
    arm: str
    cell: int
    data_fraction: float | None
    role: Role
    chosen: tuple[str, ...] = ()
    chosen_by: str | None = None
    chosen_from: tuple[str, ...] = ()


class ChoiceRun:
    """Seeds of a cell that share one choice of their open settings.

    Args:
        index: Index of the cell in the plan.
        cell: The cell.
        places: Places of the seeds among those of the cell.
        choice: Chooses the settings; None if all of them are given.
        queue: Takes the trials that become ready.

    Attributes:
        locked: Upper bound on the trials that are not ready yet.
        memberships: Parts of its trials in the study.
        blocked: Why it cannot continue; None if it can.
    """

    def __init__(
        self, index: int, cell: Cell, places: range, choice: Choice | None, queue: TrialQueue
    ) -> None:
        self.locked = len(places) + (choice.size if choice else 0)
        self.memberships: dict[Membership, None] = {}  # in order; a search may repeat a trial
        self.blocked: str | None = None
        self._index = index
        self._cell = cell
        self._places = places
        self._choice = choice
        self._queue = queue
        self._round: tuple[CompleteTrial, ...] = ()
        self._tried: dict[str, None] = {}  # ids of the trials of all rounds so far, in order
        self._known: Replicates[CompleteTrial] | None = None  # trainings of all seeds of the cell
        self._settled: Callable[[], None] = lambda: None

    @property
    def is_released(self) -> bool:
        """Whether the settings of the trainings are known."""
        return self._known is not None

    @property
    def trainings(self) -> Sequence[CompleteTrial]:
        """The trainings of its seeds; none until every setting is known."""
        return () if self._known is None else [self._known[place] for place in self._places]

    def begin(self, settled: Callable[[], None]) -> Sequence[CompleteTrial]:
        """Return the trials that are ready at the start.

        Args:
            settled: Called once, when the choice is made or blocked.
        """
        self._settled = settled
        if self._choice is None:
            return self._release(self._cell.trainings)
        return self._next_round(self._choice)

    def add_training(self) -> CompleteTrial:
        """Add the next seed of the cell, for which the same settings are used."""
        self._places = range(self._places.start, self._places.stop + 1)
        training = self.trainings[-1]
        self._join([training], "training")
        return training

    def expected(self) -> tuple[Stage, ...]:
        """Return the trials that are not ready yet: those of the choice, then the trainings."""
        if not self.locked:
            return ()
        trainings = len(self._places)
        stages = [Stage(self._cell.templates.pattern, trainings)]
        if choosing := self.locked - trainings:
            stages.insert(0, Stage(self._round[0], choosing, choosing / len(self._round)))
        return tuple(stages)

    def _next_round(self, choice: Choice) -> tuple[CompleteTrial, ...]:
        self._round = choice.propose()
        if self._round:
            self.locked -= len(self._round)
            self._tried |= dict.fromkeys(trial.id for trial in self._round)
            self._join(self._round, choice.role)
            self._queue.after(self._round, lambda: self._end_round(choice))
        return self._round

    def _end_round(self, choice: Choice) -> None:
        try:
            choice.tell(self._queue.outcomes(self._round))
            trials: Sequence[CompleteTrial] = self._next_round(choice)
            if not trials:
                trials = self._release(self._cell.trainings_with(**choice.settings()))
        except ValueError as error:
            self.blocked = str(error)
            self.locked = 0
            self._settled()
            return
        self._queue.add(trials, first=True)

    def _release(self, trainings: Replicates[CompleteTrial]) -> Sequence[CompleteTrial]:
        """Every setting is known: return the trainings that are ready now."""
        self.locked = 0
        self._known = trainings
        self._join(self.trainings, "training")
        self._settled()
        return self.trainings

    def _join(self, trials: Iterable[CompleteTrial], role: Role) -> None:
        choice = self._choice if role == "training" else None
        self.memberships |= dict.fromkeys(
            Membership(
                trial_id=trial.id,
                arm=self._cell.arm,
                cell=self._index,
                data_fraction=trial.data_fraction,
                role=role,
                chosen=self._cell.chosen if choice else (),
                chosen_by=choice.rule if choice else None,
                chosen_from=tuple(self._tried) if choice else (),
            )
            for trial in trials
        )
