"""The plan of a study: points of its sweep, cells, and the trials that each cell runs."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from superconv_ray.design.choices import FromRangeTest, Tuned, Tuning
from superconv_ray.design.own_functions import OwnFunction
from superconv_ray.design.replicates import Replicates
from superconv_ray.design.study import Study
from superconv_ray.design.trial import CompleteTrial, Template

if TYPE_CHECKING:
    from superconv_ray.data.images import AnyDataset


@dataclass(frozen=True)
class Search:
    """The searches of a cell's tuned settings: one per seed, or one for all seeds.

    Attributes:
        space: Trial field -> range in which it is tuned.
        template: Its trials: they hold out labels for scoring and lack the tuned settings.
        subset_seed: Seed of the limited labels, if all trials of the study use the same.
        held_out: Number of labels that are held out for scoring.
        tuning: Effort.
    """

    space: Mapping[str, Tuned]
    template: Template
    subset_seed: int | None
    held_out: int
    tuning: Tuning

    def trials_at(self, settings: Mapping[str, Any], seed: int | None) -> Sequence[CompleteTrial]:
        """Return the trials that score a combination of tuned settings, one per replicate.

        Args:
            settings: The combination.
            seed: The seed of the training that the search is for, whose subset of labels the
                trials use; None if the search is for all seeds.
        """
        subset_seed = seed if self.subset_seed is None else self.subset_seed
        seeds = self.tuning.seeds_for(seed)
        return Replicates(self.template, seeds, subset_seed).complete(**settings)


@dataclass(frozen=True, slots=True)
class Cell:
    """One arm at one point of the sweep: its trainings, and what it chooses before them.

    Attributes:
        arm: Name of the arm.
        point: Settings of the point, as the sweep gives them.
        templates: The trainings, one per seed, without the settings that the cell chooses.
        range_tests: The tests that max_lr is read from, if `reading` is set.
        reading: How to read max_lr from the range tests; None if it is not read.
        confirmations: The trainings on fewer labels that confirm what was read, without max_lr;
            None if it is taken as it was read.
        search: How to search for the tuned settings; None if there are none.
    """

    arm: str
    point: Mapping[str, Any]
    templates: Replicates[Template]
    range_tests: Replicates[CompleteTrial] | None = None
    reading: FromRangeTest | None = None
    confirmations: Replicates[Template] | None = None
    search: Search | None = None

    @property
    def chosen(self) -> tuple[str, ...]:
        """Names of the settings that the cell chooses, sorted; empty if all of them are given."""
        if self.search:
            return tuple(sorted(self.search.space))
        return ("max_lr",) if self.reading else ()

    @property
    def tried(self) -> Template | None:
        """What the cell tries settings with, on held-out labels; None if it tries none."""
        if self.confirmations:
            return self.confirmations.pattern
        return self.search.template if self.search else None

    @property
    def chooses_per_seed(self) -> bool:
        """Whether every seed has a choice of its own, instead of one that all seeds share."""
        return self.search is not None and self.search.tuning.per_seed

    def trainings_with(self, **chosen: Any) -> Replicates[CompleteTrial]:
        """Return the trainings with the settings that the cell has chosen."""
        return self.templates.complete(**chosen)

    @property
    def trainings(self) -> Replicates[CompleteTrial]:
        """The trainings of a cell that has nothing to choose.

        Raises:
            ValueError: The cell chooses settings first; see `trainings_with`.
        """
        if self.chosen:
            raise ValueError(f"{self.describe()} has yet to choose {', '.join(self.chosen)}")
        return self.trainings_with()

    @property
    def _largest(self) -> dict[str, Any]:
        """Largest value of each setting that the cell chooses."""
        if self.search:
            return {name: range_.high for name, range_ in self.search.space.items()}
        return {"max_lr": self.reading.high} if self.reading else {}

    def describe(self) -> str:
        """Describe the cell for messages."""
        return describe_cell(self.arm, self.point)

    def signature(self) -> Hashable:
        """Return a value that is equal for cells that would run the same trials."""
        if self.search:
            tuning = self.search.template.complete(**self._largest)
            return tuning.identity(), frozenset(self.search.space.items())
        return self.trainings_with(**self._largest), self.range_tests, self.confirmations


def describe_cell(arm: str, point: Mapping[str, Any]) -> str:
    """Describe an arm at a point for messages."""
    settings = ", ".join(f"{name}={value}" for name, value in point.items())
    return f"arm {arm!r}" + (f" at {settings}" if settings else "")


@dataclass(frozen=True, slots=True)
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
        functions: The user's own functions among the settings, by field and name.
        purpose: "lr_find" if only range tests are planned; see `range_tests_alone`.
    """

    study: Study
    points: tuple[Point, ...]
    datasets: Mapping[str, AnyDataset]
    functions: Mapping[tuple[str, str], OwnFunction] = field(default_factory=dict)
    purpose: Literal["study", "lr_find"] = "study"

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """The cells of all points; a store numbers them in this order."""
        return tuple(cell for point in self.points for cell in point.cells)

    @cached_property
    def comparisons(self) -> int:
        """Number of rows in which one arm is compared with all others at every point."""
        return sum(len(point.cells) - 1 for point in self.points)

    @cached_property
    def distinct(self) -> tuple[Replicates[Template], ...]:
        """All trials, each once, as far as this is known before any cell has chosen.

        Cells that choose settings contribute their range tests and the templates of their
        trainings, but not their tuning trials, whose settings are unknown; see `Study.tuning`.
        """
        distinct: dict[Hashable, Replicates[Template]] = {}
        for cell in self.cells:
            if cell.range_tests:
                distinct[None, cell.range_tests] = cell.range_tests
            choice = cell.reading or (cell.search and tuple(cell.search.space.items()))
            distinct[choice, cell.templates] = cell.templates
        return tuple(distinct.values())


def range_tests_alone(plan: Plan) -> Plan:
    """Return a plan that runs the range tests of another, each once, as what it measures.

    Arms often share their range tests. Each test stays with the first cell that runs it, and cells
    and points that are left without tests are dropped. No training follows.
    """
    points, known = [], set[Hashable]()
    for point in plan.points:
        cells = []
        for cell in point.cells:
            if cell.range_tests and cell.range_tests not in known:
                known.add(cell.range_tests)
                cells.append(Cell(cell.arm, cell.point, templates=cell.range_tests))
        if cells:
            points.append(replace(point, cells=tuple(cells)))
    return replace(plan, points=tuple(points), purpose="lr_find")
