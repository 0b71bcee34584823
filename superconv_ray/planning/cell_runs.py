"""Cells and points on their way through a run: choices first, then trainings, then more seeds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from superconv_ray.analysis.statistics.sequential import sign_decided
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.plan import Cell, Point
from superconv_ray.design.seeds import AtLeast
from superconv_ray.design.study import Study
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.planning.choice import Choice, Role
from superconv_ray.planning.selection import choice_of
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


class PointRun:
    """A point of the sweep during a run: its cells always have the same seeds.

    With `at_least`, a seed is added for all cells as long as it is open which arm is better.

    Args:
        point: The point.
        first_index: Index of its first cell in the plan.
        study: The study.
        queue: Takes the trials that become ready.

    Attributes:
        cells: Its cells during the run.
        seeds: Number of seeds that every cell may run.
        further: Number of seeds that may still be added.
    """

    def __init__(self, point: Point, first_index: int, study: Study, queue: TrialQueue) -> None:
        self.seeds = study.first_seeds()
        self.further = len(point.cells[0].templates) - self.seeds
        self.cells = [
            CellRun(index, cell, choice_of(cell, study.tuning), self, queue)
            for index, cell in enumerate(point.cells, start=first_index)
        ]
        self._rule = study.seeds
        self._queue = queue

    @property
    def locked(self) -> int:
        """Upper bound on the trials of this point that are not ready yet."""
        return sum(cell.locked for cell in self.cells) + self.further * len(self.cells)

    def watch(self) -> None:
        """Decide about a further seed once all trainings of the present ones have ended."""
        if self.further and all(cell.trainings for cell in self.cells):
            trainings = [t for cell in self.cells for t in cell.trainings[: self.seeds]]
            self._queue.after(trainings, self._decide)

    def _decide(self) -> None:
        if not self.further or self._is_decided():
            self.further = 0
            return
        self.seeds += 1
        self.further -= 1
        added = [cell.join_training(self.seeds - 1) for cell in self.cells]
        self._queue.add(added, first=True)
        self.watch()

    def _is_decided(self) -> bool:
        if not isinstance(self._rule, AtLeast):
            return True
        arms = [self._queue.outcomes(cell.trainings[: self.seeds]) for cell in self.cells]
        if any(outcome.status == "failed" for arm in arms for outcome in arm):
            return True  # the next run trains the failed ones again and continues from there
        first, *others = ([_accuracy(outcome) for outcome in arm] for arm in arms)
        return all(
            sign_decided(
                [a - b for a, b in zip(first, other, strict=True)],
                at_least=self._rule.least,
                up_to=self._rule.up_to,
            )
            for other in others
        )


class CellRun:
    """A cell during a run: rounds of trials that choose its open settings, then its trainings.

    Attributes:
        cell: The cell.
        locked: Upper bound on its trials that are not ready yet, without further seeds.
        trainings: All trainings that may be needed; empty until every setting is known.
        memberships: Parts of its trials in the study.
        blocked: Why the cell cannot continue; None if it can.
    """

    def __init__(
        self, index: int, cell: Cell, choice: Choice | None, point: PointRun, queue: TrialQueue
    ) -> None:
        self.cell = cell
        self.locked = 0
        self.trainings: tuple[CompleteTrial, ...] = ()
        self.memberships: list[Membership] = []
        self.blocked: str | None = None
        self._index = index
        self._choice = choice
        self._point = point
        self._queue = queue
        self._round: tuple[CompleteTrial, ...] = ()
        self._tried: tuple[str, ...] = ()  # ids of the trials of all rounds so far

    def begin(self) -> tuple[CompleteTrial, ...]:
        """Return the trials that are ready at the start."""
        if self._choice is None:
            return self._release(self.cell.trainings)
        self.locked = self._choice.size + self._point.seeds
        return self._next_round(self._choice)

    def join_training(self, seed: int) -> CompleteTrial:
        """Make the training of the given replicate part of the study."""
        training = self.trainings[seed]
        self._join([training], "training")
        return training

    def expected(self) -> tuple[Stage, ...]:
        """Return the trials that are not ready yet: choices, first seeds, then half of the rest."""
        seeds, further = self._point.seeds, self._point.further / 2
        training, stages = self.cell.templates.pattern, []
        if self.locked:
            choosing = self.locked - seeds
            if choosing:
                stages.append(Stage(self._round[0], choosing, choosing / len(self._round)))
            stages.append(Stage(training, seeds))
        if further:
            stages.append(Stage(training, further, further))
        return tuple(stages)

    def _next_round(self, choice: Choice) -> tuple[CompleteTrial, ...]:
        self._round = choice.propose()
        if self._round:
            self.locked -= len(self._round)
            self._tried += tuple(trial.id for trial in self._round)
            self._join(self._round, choice.role)
            self._queue.after(self._round, lambda: self._end_round(choice))
        return self._round

    def _end_round(self, choice: Choice) -> None:
        try:
            choice.tell(self._queue.outcomes(self._round))
            trials = self._next_round(choice)
            if not trials:
                trials = self._release(self.cell.trainings_with(**choice.settings()))
        except ValueError as error:
            self.blocked = str(error)
            self.locked = self._point.further = 0
            return
        self._queue.add(trials, first=True)

    def _release(self, trainings: Iterable[CompleteTrial]) -> tuple[CompleteTrial, ...]:
        """Every setting is known: return the trainings that are ready now."""
        self.locked = 0
        self.trainings = tuple(trainings)
        released = self.trainings[: self._point.seeds]
        self._join(released, "training")
        self._point.watch()
        return released

    def _join(self, trials: Iterable[CompleteTrial], role: Role) -> None:
        choice = self._choice if role == "training" else None
        self.memberships += [
            Membership(
                trial_id=trial.id,
                arm=self.cell.arm,
                cell=self._index,
                data_fraction=trial.data_fraction,
                role=role,
                chosen=self.cell.chosen if choice else (),
                chosen_by=choice.rule if choice else None,
                chosen_from=self._tried if choice else (),
            )
            for trial in trials
        ]


def _accuracy(outcome: Outcome) -> float:
    """Accuracy of a training: on test labels, or on held-out ones if it holds some out."""
    test = outcome.measurements.get("test_accuracy")
    accuracy: float = outcome.measurements["validation_accuracy"] if test is None else test
    return accuracy
