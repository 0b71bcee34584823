"""Points and their cells during a run: which seeds run, and what each needs first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from superconv_ray.analysis.comparison.verdicts import gaps_decide, level_per_row, margin_of
from superconv_ray.analysis.statistics.correctness import gaps_by_sample, unpacked
from superconv_ray.design.metrics import metric_of
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.plan import Cell, Plan, Point
from superconv_ray.design.seeds import AtLeast
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.planning.choice_runs import ChoiceRun, Membership
from superconv_ray.planning.selection import choice_of
from superconv_ray.planning.trial_queue import Stage, TrialQueue


class PointRun:
    """A point of the sweep during a run: its cells always have the same seeds.

    With `at_least`, a seed is added for all cells as long as a row of the study's comparison that
    belongs to this point is undecided.

    Args:
        point: The point.
        first_index: Index of its first cell in the plan.
        plan: The plan that it is a point of.
        queue: Takes the trials that become ready.

    Attributes:
        cells: Its cells during the run.
        seeds: Number of seeds that every cell may run.
        further: Number of seeds that may still be added.
    """

    def __init__(self, point: Point, first_index: int, plan: Plan, queue: TrialQueue) -> None:
        self.seeds = plan.study.first_seeds()
        self.further = len(point.cells[0].templates) - self.seeds
        self.cells = [
            CellRun(index, cell, self, queue)
            for index, cell in enumerate(point.cells, start=first_index)
        ]
        self._plan = plan
        self._queue = queue

    @property
    def locked(self) -> int:
        """Upper bound on the trials of this point that are not ready yet."""
        return sum(cell.locked + self.further * cell.seed_size for cell in self.cells)

    def watch(self) -> None:
        """Decide about a further seed once all trainings of the present ones have ended.

        Called whenever a choice is made or blocked: the last call of a round finds all of them.
        """
        if any(cell.blocked for cell in self.cells):
            self.further = 0
        elif self.further and all(cell.is_released for cell in self.cells):
            trainings = [t for cell in self.cells for t in cell.trainings()]
            self._queue.after(trainings, self._decide)

    def _decide(self) -> None:
        if not self.further or self._is_decided():
            self.further = 0
            return
        self.seeds += 1
        self.further -= 1
        added = [trial for cell in self.cells for trial in cell.add_seed()]
        self._queue.add(added, first=True)
        self.watch()

    def _is_decided(self) -> bool:
        if not isinstance(self._plan.study.seeds, AtLeast):
            return True
        arms = [self._queue.outcomes(cell.trainings()) for cell in self.cells]
        if any(outcome.status == "failed" for arm in arms for outcome in arm):
            return True  # the next run trains the failed ones again and continues from there
        scores = np.array([[_accuracy(outcome) for outcome in arm] for arm in arms])
        study = self._plan.study
        margin = study.margin or margin_of(metric_of(study.base.settings()), scores)
        right = [[_correct(outcome) for outcome in arm] for arm in arms]
        return all(
            gaps_decide(
                scores[0] - scores[i], self._level, margin, gaps_by_sample(right[0], right[i])
            )
            for i in range(1, len(arms))
        )

    @cached_property
    def _level(self) -> float:
        """Level of each row's test, as in the comparison of the whole study."""
        rule = self._plan.study.seeds
        assert isinstance(rule, AtLeast)
        return level_per_row(max(self._plan.comparisons, 1), range(rule.least, rule.up_to + 1))


class CellRun:
    """A cell during a run: its seeds, in groups that share the choice of their settings.

    Seeds form one group, unless each has a search of its own: then each is a group.

    Attributes:
        cell: The cell.
        seed_size: Number of trials that a further seed needs, at most.
    """

    def __init__(self, index: int, cell: Cell, point: PointRun, queue: TrialQueue) -> None:
        self.cell = cell
        self.seed_size = 1
        if cell.search and cell.chooses_per_seed:
            self.seed_size += cell.search.tuning.total_trials
        self._index = index
        self._point = point
        self._queue = queue
        self._groups: list[ChoiceRun] = []

    @property
    def locked(self) -> int:
        """Upper bound on its trials that are not ready yet, without further seeds."""
        return sum(group.locked for group in self._groups)

    @property
    def is_released(self) -> bool:
        """Whether the settings of all trainings of the present seeds are known."""
        return bool(self._groups) and all(group.is_released for group in self._groups)

    def trainings(self) -> list[CompleteTrial]:
        """The trainings of the present seeds whose settings are known."""
        return [training for group in self._groups for training in group.trainings]

    @property
    def memberships(self) -> Iterator[Membership]:
        """Parts of its trials in the study."""
        return (member for group in self._groups for member in group.memberships)

    @property
    def blocked(self) -> str | None:
        """Why a group cannot continue; None if all can."""
        return next((group.blocked for group in self._groups if group.blocked), None)

    def begin(self) -> tuple[CompleteTrial, ...]:
        """Return the trials that are ready at the start."""
        seeds = self._point.seeds
        if self.cell.chooses_per_seed:
            return tuple(t for place in range(seeds) for t in self._begin(range(place, place + 1)))
        return tuple(self._begin(range(seeds)))

    def add_seed(self) -> Sequence[CompleteTrial]:
        """Make the point's latest seed part of the run, and return the trials that are ready."""
        if self.cell.chooses_per_seed:
            return self._begin(range(self._point.seeds - 1, self._point.seeds))
        return [self._groups[0].add_training()]

    def expected(self, further: float) -> Iterator[tuple[Stage, ...]]:
        """Yield the trials that are not ready yet, group by group; a share of further seeds."""
        *others, last = (group.expected() for group in self._groups)
        yield from others
        yield last + self._further_stages(self._point.further * further)

    def _further_stages(self, count: float) -> tuple[Stage, ...]:
        if not count:
            return ()
        training = Stage(self.cell.templates.pattern, count, count)
        if not (self.cell.search and self.cell.chooses_per_seed):
            return (training,)
        tuning = self.cell.search.tuning
        tried, rounds = count * tuning.total_trials, count * tuning.rounds
        return Stage(self.cell.search.template, tried, rounds), training

    def _begin(self, places: range) -> Sequence[CompleteTrial]:
        """Begin a group of seeds, given by their places, and return the trials that are ready."""
        seed = self.cell.templates.seeds[places.start] if self.cell.chooses_per_seed else None
        choice = choice_of(self.cell, seed)
        self._groups.append(ChoiceRun(self._index, self.cell, places, choice, self._queue))
        return self._groups[-1].begin(self._point.watch)


def _accuracy(outcome: Outcome) -> float:
    """Accuracy of a training: on test labels, or on held-out ones if it holds some out."""
    test = outcome.measurements.get("test_accuracy")
    accuracy: float = outcome.measurements["validation_accuracy"] if test is None else test
    return accuracy


def _correct(outcome: Outcome) -> Any:
    """Which test samples a training classifies correctly; None if that is unknown."""
    measured = outcome.measurements
    return unpacked(measured.get("test_correct"), measured.get("test_count"), _accuracy(outcome))
