"""The plan of a study: points of its sweep, cells, and the trials that each cell runs."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from superconv_ray.design.choices import FromRangeTest, Tuned
from superconv_ray.design.study import Study
from superconv_ray.design.trial import CompleteTrial, Trial

if TYPE_CHECKING:
    from superconv_ray.data.dataset import Dataset


@dataclass(frozen=True)
class Search:
    """The search of a cell's tuned settings.

    Attributes:
        space: Trial field -> range in which it is tuned.
        templates: One per replicate; they hold out labels for scoring and lack the tuned settings.
    """

    space: Mapping[str, Tuned]
    templates: tuple[Trial, ...]

    def trials_at(self, settings: Mapping[str, Any]) -> tuple[CompleteTrial, ...]:
        """Return the trials that score a combination of tuned settings, one per replicate."""
        return tuple(replace(trial, **settings).complete() for trial in self.templates)


@dataclass(frozen=True)
class Cell:
    """One arm at one point of the sweep: its trainings, and what it chooses before them.

    Attributes:
        arm: Name of the arm.
        point: Settings of the point, as the sweep gives them.
        templates: The trainings, one per seed, without the settings that the cell chooses.
        range_tests: The tests that max_lr is read from, if `reading` is set.
        reading: How to read max_lr from the range tests; None if it is not read.
        search: How to search for the tuned settings; None if there are none.
    """

    arm: str
    point: Mapping[str, Any]
    templates: tuple[Trial, ...] = ()
    range_tests: tuple[CompleteTrial, ...] = ()
    reading: FromRangeTest | None = None
    search: Search | None = None

    @property
    def chosen(self) -> tuple[str, ...]:
        """Names of the settings that the cell chooses, sorted; empty if all of them are given."""
        if self.search:
            return tuple(sorted(self.search.space))
        return ("max_lr",) if self.reading else ()

    def trainings_with(self, **chosen: Any) -> tuple[CompleteTrial, ...]:
        """Return the trainings with the settings that the cell has chosen."""
        return tuple(replace(trial, **chosen).complete() for trial in self.templates)

    @cached_property
    def trainings(self) -> tuple[CompleteTrial, ...]:
        """The trainings of a cell that has nothing to choose.

        Raises:
            ValueError: The cell chooses settings first; see `trainings_with`.
        """
        if self.chosen:
            raise ValueError(f"{self.describe()} has yet to choose {', '.join(self.chosen)}")
        return self.trainings_with()

    @cached_property
    def representative(self) -> CompleteTrial:
        """A training with the largest value of each setting that the cell chooses.

        For what all trainings of the cell have in common, such as labels, steps and model.
        """
        return replace(self.templates[0], **self._largest).complete()

    @property
    def _largest(self) -> dict[str, Any]:
        """Largest value of each setting that the cell chooses."""
        if self.search:
            return {name: range_.high for name, range_ in self.search.space.items()}
        return {"max_lr": self.reading.high} if self.reading else {}

    def describe(self) -> str:
        """Describe the cell for messages."""
        point = ", ".join(f"{name}={value}" for name, value in self.point.items())
        return f"arm {self.arm!r}" + (f" at {point}" if point else "")

    @cached_property
    def signature(self) -> Hashable:
        """A value that is equal for cells that would run the same trials."""
        if self.search:
            tuning = self.search.trials_at(self._largest)
            return _ids(tuning), frozenset(self.search.space.items())
        if self.reading:
            return _ids(self.trainings_with(**self._largest)), _ids(self.range_tests)
        return _ids(self.trainings)


@dataclass(frozen=True)
class Point:
    """A point of the sweep with its cells, at most one per arm. They share budget and seeds."""

    settings: Mapping[str, Any]
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Plan:
    """A study with every budget, subset and default computed and checked.

    Attributes:
        study: The study.
        points: The points of its sweep.
        datasets: The user's own data sets by name, loaded.
        purpose: "lr_find" if only range tests are planned; see `range_tests_alone`.
    """

    study: Study
    points: tuple[Point, ...]
    datasets: Mapping[str, Dataset]
    purpose: Literal["study", "lr_find"] = "study"

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """The cells of all points; a store numbers them in this order."""
        return tuple(cell for point in self.points for cell in point.cells)

    def distinct_trials(self) -> list[Trial]:
        """Return every trial once, as far as this is known before any cell has chosen.

        Cells that choose settings contribute their range tests and the templates of their
        trainings, but not their tuning trials, whose settings are unknown; see `Study.tuning`.
        """
        distinct: dict[Hashable, Trial] = {}
        for cell in self.cells:
            for test in cell.range_tests:
                distinct[test.id] = test
            if cell.chosen:
                choice = cell.reading or (cell.search and tuple(cell.search.space.items()))
                distinct |= {(template, choice): template for template in cell.templates}
            else:
                distinct |= {training.id: training for training in cell.trainings}
        return list(distinct.values())


def range_tests_alone(plan: Plan) -> Plan:
    """Return a plan that runs the range tests of another, each once, as what it measures.

    Arms often share their range tests. Each test stays with the first cell that runs it, and cells
    and points that are left without tests are dropped. No training follows.
    """
    points, known = [], set[Hashable]()
    for point in plan.points:
        cells = []
        for cell in point.cells:
            tests = _ids(cell.range_tests)
            if tests and tests not in known:
                known.add(tests)
                cells.append(Cell(cell.arm, cell.point, templates=cell.range_tests))
        if cells:
            points.append(replace(point, cells=tuple(cells)))
    return replace(plan, points=tuple(points), purpose="lr_find")


def _ids(trials: tuple[CompleteTrial, ...]) -> tuple[str, ...]:
    return tuple(trial.id for trial in trials)
