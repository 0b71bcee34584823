"""What a study would train, how long that takes and what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from superconv_ray.data.catalog import DATASETS
from superconv_ray.design.building import make_plan
from superconv_ray.design.cautions import cautions
from superconv_ray.design.plan import Cell, Plan
from superconv_ray.design.seeds import AtLeast
from superconv_ray.design.study import Study
from superconv_ray.design.text import counted, duration, html_table, text_table
from superconv_ray.execution.model_check import check_models

if TYPE_CHECKING:
    import pandas as pd

    from superconv_ray.api.cost import StudyCost
    from superconv_ray.api.stored import Stored
    from superconv_ray.planning.planner import Planner

HEADINGS = ("arm", "labels", "steps", "max_lr", "to choose", "seeds")
"""Headings of the table; swept settings come after the arm."""
WIDTH = 80
"""Columns of a terminal that the title is wrapped to."""
LISTED = 40
"""Cells that the table shows; of more, the first and the last half of this."""
LARGE = 100_000
"""Trials from which on a plan asks whether they are meant."""
SHORT_STEP, LONG = 1e-3, 365 * 86400
"""Seconds: a fast optimizer step, and a time that hardly any study is meant to take."""


@dataclass(frozen=True)
class PlannedCell:
    """One arm at one point of the sweep.

    Attributes:
        arm: Name of the arm.
        point: The swept settings.
        labels: Limited labels available to each training.
        steps: Optimizer steps of each training.
        max_lr: The maximum learning rate, or how it is chosen.
        choosing: Range tests and tuning trials, which choose settings, the least and the most.
        trainings: Trainings, the least and the most.
    """

    arm: str
    point: Mapping[str, Any]
    labels: int
    steps: int
    max_lr: str
    choosing: tuple[int, int]
    trainings: tuple[int, int]

    def row(self, swept: Sequence[str]) -> list[str]:
        """The cell as a row: its arm, the `swept` settings, and the other `HEADINGS`."""
        return [
            self.arm,
            *(str(self.point.get(name, "")) for name in swept),
            f"{self.labels:,}",
            f"{self.steps:,}",
            self.max_lr,
            _from_to(*self.choosing),
            _from_to(*self.trainings),
        ]


class StudyPlan:
    """A checked study: its cells, trials, steps and cost. Its text is a table.

    Attributes:
        plan: The checked study.
        stored: What the store has of the study; None if no store was given.
        cost: Time and price of what is left; None without a store or an option of it.
    """

    def __init__(
        self, plan: Plan, stored: Stored | None = None, cost: StudyCost | None = None
    ) -> None:
        self.plan = plan
        self.stored = stored
        self.cost = cost

    @cached_property
    def cells(self) -> tuple[PlannedCell, ...]:
        """Every arm at every point of the sweep."""
        return tuple(self._planned(cell) for cell in self.plan.cells)

    @cached_property
    def range_tests(self) -> int:
        """Number of LR range tests."""
        return sum(
            len(trials) for trials in self.plan.distinct if trials.pattern.kind == "range_test"
        )

    @cached_property
    def tuning_trials(self) -> int:
        """Number of trials that tune settings by search."""
        return sum(_tuning_trials(cell, len(cell.templates)) for cell in self.plan.cells)

    @cached_property
    def trainings(self) -> int:
        """Number of full trainings, at most."""
        return sum(map(len, self.plan.distinct)) - self.range_tests

    @property
    def trials(self) -> int:
        """Number of all trials, at most."""
        return self.range_tests + self.tuning_trials + self.trainings

    @cached_property
    def steps(self) -> int:
        """Optimizer steps of all trials, at most."""
        searched = (
            _tuning_trials(cell, len(cell.templates)) * tried.steps
            for cell in self.plan.cells
            if (tried := cell.tried)
        )
        return sum(len(trials) * trials.pattern.steps for trials in self.plan.distinct) + sum(
            searched
        )

    def __repr__(self) -> str:
        headings, rows = self._table()
        keys = len(headings) - len(HEADINGS) + 1
        table = text_table(headings, rows, keys=keys, wrap=headings[:keys])
        head = [self._title(), self._counts(), *self._shared()]
        return "\n".join([*head, table, *self._left_out(), *self._notes()])

    def _repr_html_(self) -> str:
        from html import escape

        head = "<br>".join(map(escape, [self._title(), self._counts(), *self._shared()]))
        notes = "<br>".join(map(escape, [*self._left_out(), *self._notes()]))
        return f"<p>{head}</p>{html_table(*self._table())}<p>{notes}</p>"

    @property
    def _may_add_seeds(self) -> bool:
        return isinstance(self.plan.study.seeds, AtLeast)

    def _planned(self, cell: Cell) -> PlannedCell:
        first, seeds = cell.templates.pattern, (self.plan.study.first_seeds(), len(cell.templates))
        tests = len(cell.range_tests or ())
        least, most = (tests + _tuning_trials(cell, number) for number in seeds)
        return PlannedCell(
            arm=cell.arm,
            point=cell.point,
            labels=first.data_count,
            steps=first.steps,
            max_lr=_how_chosen(cell),
            choosing=(least, most),
            trainings=seeds,
        )

    def _title(self) -> str:
        title = f"study {self.plan.study.name}: {self.plan.study.question}".rstrip(": ")
        return fill(title, WIDTH)

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """The headings and the rows of the table."""
        cells, half = self.plan.cells, LISTED // 2
        few = len(cells) <= LISTED
        shown = self.cells if few else [*map(self._planned, [*cells[:half], *cells[-half:]])]
        swept = [name for name, values in self._swept.items() if len(values) > 1]
        headings = [HEADINGS[0], *swept, *HEADINGS[1:]]
        rows = [cell.row(swept) for cell in shown]
        if not few:
            rows.insert(half, ["...", *[""] * (len(headings) - 1)])
        return headings, rows

    @cached_property
    def _swept(self) -> Mapping[str, Sequence[str]]:
        """The swept settings with their distinct values, as text; "" where a point lacks one."""
        points = [point.settings for point in self.plan.points]
        names = dict.fromkeys(name for settings in points for name in settings)
        return {
            name: [*dict.fromkeys(str(settings.get(name, "")) for settings in points)]
            for name in names
        }

    def _shared(self) -> Iterator[str]:
        """A line on settings of the sweep that have one value."""
        single = [f"{name}={values[0]}" for name, values in self._swept.items() if len(values) == 1]
        if single:
            yield f"in all cells: {', '.join(single)}"

    def _left_out(self) -> Iterator[str]:
        left_out = len(self.plan.cells) - LISTED
        if left_out > 0:
            yield f"{left_out:,} cells left out; Study.plan().cells has all of them"

    def _counts(self) -> str:
        kinds = {
            "range test": self.range_tests,
            "tuning trial": self.tuning_trials,
            "training": self.trainings,
        }
        return (
            f"{counted(len(self.plan.cells), 'cell')}, {counted(self.trials, 'trial')} "
            f"({', '.join(counted(number, noun) for noun, number in kinds.items() if number)}), "
            f"{self.steps:,} steps" + (" at most" if self._may_add_seeds else "")
        )

    def _notes(self) -> Iterator[str]:
        yield from (f"warning: {caution}" for caution in cautions(self.plan))
        fast = self.steps * SHORT_STEP
        if self.trials >= LARGE or fast >= LONG:
            yield (
                f"warning: a large study; at {1000 * SHORT_STEP:g} ms a step it takes "
                f"{duration(fast)}, one trial at a time: check sweep, seeds and budget"
            )
        if self.stored:
            yield f"in {self.stored.place}: {self.stored.done:,} done, {self.stored.left:,} left"
            if self.stored.note:
                yield f"note: {self.stored.note}"
        if self.cost:
            yield from self.cost.lines()
        else:
            yield "estimated time: unknown (no store and no probe)"


def plan_study(
    study: Study,
    store: str | Path | None = None,
    data_dir: str | Path | None = None,
    **costing: Any,
) -> StudyPlan:
    """Check a study and return what it would train; no trial is trained, and nothing is written.

    Args:
        study: What to plan.
        store: Path or URI of a store, to see what it has already and how long its trials took.
        data_dir: Folder with the data sets' files, to check that they are there and complete.
        costing: The attributes of `Costing`.

    Raises:
        ValueError, TypeError: The study is not valid, or one of the user's models does not build.
        DatasetNotFoundError: A data set is not in the folder.
        StoreError: The store cannot be read.
        Exception: Whatever the user's own models and data functions raise.
    """
    plan = make_plan(study)
    check_models(plan, {**DATASETS, **plan.datasets})
    if data_dir is not None:
        _check_data(plan, Path(data_dir))
    if store is None and all(value is None for value in costing.values()):
        return StudyPlan(plan)  # in a fraction of a second

    from superconv_ray.api.cost import Costing, cost_of
    from superconv_ray.api.paces import known_paces

    asked = Costing(**costing)
    planner, stored, trials = _left(plan, store)
    paces = known_paces(planner, trials, asked)
    return StudyPlan(plan, stored, cost_of(planner, paces, asked))


def _left(
    plan: Plan, store: str | Path | None
) -> tuple[Planner, Stored | None, pd.DataFrame | None]:
    """The planner of what is left, what a store has, and all of its trials."""
    from superconv_ray.planning.planner import Planner

    if store is None:
        return Planner(plan), None, None

    from superconv_ray.api.stored import look_up, planner_on
    from superconv_ray.execution.pace import PACE_COLUMNS
    from superconv_ray.execution.recovery import OUTCOME_COLUMNS
    from superconv_ray.storage.store import open_store

    opened = open_store(store)
    # Read once for both uses: this takes most of the time in a large store.
    trials = opened.trials(columns=[*dict.fromkeys((*OUTCOME_COLUMNS, *PACE_COLUMNS))])
    planner = planner_on(plan, opened, trials)
    return planner, look_up(plan, opened, planner), trials


def _check_data(plan: Plan, data_dir: Path) -> None:
    """Read the built-in data sets of a plan.

    Raises:
        DatasetNotFoundError, ValueError: As `load_dataset`.
    """
    from superconv_ray.data.readers import load_dataset

    named = {cell.templates.pattern.dataset for cell in plan.cells}
    for name in sorted(named - plan.datasets.keys()):
        load_dataset(name, data_dir, download=False)


def _tuning_trials(cell: Cell, seeds: int) -> int:
    """Tuning trials of a cell with that many seeds."""
    if cell.reading and cell.confirmations:
        return cell.reading.confirm * len(cell.confirmations)
    tuning = cell.search.tuning if cell.search else None
    return tuning.searches(seeds) * tuning.total_trials if tuning else 0


def _from_to(least: int, most: int) -> str:
    return str(least) if least == most else f"{least}-{most}"


def _how_chosen(cell: Cell) -> str:
    if cell.reading:
        return "range test, confirmed" if cell.reading.confirm else "range test"
    tuned = ", ".join(cell.search.space) if cell.search else ""
    if cell.search and "max_lr" in cell.search.space:
        return f"tuned ({tuned})" if len(cell.search.space) > 1 else "tuned"
    return f"{cell.templates.pattern.max_lr:g}" + (f" (tuned: {tuned})" if tuned else "")
