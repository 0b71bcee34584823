"""From a study to its trials: budgets, subsets and defaults worked out and checked.

Needs neither torch nor Ray, so that a mistake shows in a fraction of a second.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from superconv_ray.data.allocation import split_counts
from superconv_ray.data.catalog import DATASETS, DatasetFacts
from superconv_ray.design import schedules
from superconv_ray.design.budget import Budget
from superconv_ray.design.choices import FromRangeTest, Tuned
from superconv_ray.design.study import Study
from superconv_ray.design.text import unknown_name
from superconv_ray.design.trial import Trial, check_field_names, number_type
from superconv_ray.models import MODELS

if TYPE_CHECKING:
    from superconv_ray.data.dataset import Dataset

_SET_BY_STUDY = {
    "seed": "set the study's seeds instead",
    "steps": "set the study's budget instead",
    "dataset_digest": "it is worked out from the study's datasets",
    "model_digest": "it is worked out from the study's models",
}
"""Trial fields that neither base, sweep nor arm may set, and where they come from."""

_SHAPES_THE_BUDGET = ("batch_size", "data_count", "data_fraction", "validation_fraction")


RANGE_TEST_EVAL_COUNT = 1_000
"""Most held-out samples per point of a range test; points are smoothed and averaged over seeds."""


@dataclass(frozen=True)
class Search:
    """What a cell's tuning trials have in common, and what they differ in.

    Attributes:
        space: Trial field -> range it is tuned in.
        templates: One per replicate; labels held out to score on, the tuned fields left open.
    """

    space: Mapping[str, Tuned]
    templates: tuple[Trial, ...]

    def trials_at(self, settings: Mapping[str, Any]) -> tuple[Trial, ...]:
        """The trials that score a combination of the tuned settings, one per replicate."""
        return tuple(replace(trial, **settings).complete() for trial in self.templates)


@dataclass(frozen=True)
class Cell:
    """One arm at one point of the sweep: its trainings, one per seed, and what it chooses first.

    With `reading`, max_lr is read off the range tests first, with `search`, settings are tuned
    first; until then the trainings lack them.
    """

    arm: str
    point: Mapping[str, Any]
    trainings: tuple[Trial, ...] = ()
    range_tests: tuple[Trial, ...] = ()
    reading: FromRangeTest | None = None
    search: Search | None = None

    def trainings_with(self, **settings: Any) -> tuple[Trial, ...]:
        """The trainings, once the settings that were left open are known."""
        return tuple(replace(trial, **settings).complete() for trial in self.trainings)

    def describe(self) -> str:
        """The cell in words, for messages."""
        point = ", ".join(f"{name}={value}" for name, value in self.point.items())
        return f"arm {self.arm!r}" + (f" at {point}" if point else "")

    @cached_property
    def signature(self) -> tuple[Any, ...]:
        """Equal for cells that would train the same runs."""
        if self.search:
            space = self.search.space
            runs = self.search.trials_at({name: within.high for name, within in space.items()})
            return tuple(trial.id for trial in runs), frozenset(space.items())
        if self.reading is None:
            return (tuple(trial.id for trial in self.trainings),)
        runs = self.trainings_with(max_lr=self.reading.high)
        return tuple(trial.id for trial in runs), tuple(trial.id for trial in self.range_tests)


@dataclass(frozen=True)
class Plan:
    """A study with every budget, subset and default worked out and checked."""

    study: Study
    cells: tuple[Cell, ...]
    datasets: Mapping[str, Dataset]
    """The user's own data sets, loaded."""

    def distinct_trials(self) -> list[Trial]:
        """Every trial once, as far as can be told: some trainings still lack what is chosen first.

        Tuning trials are not among them, nobody knows their settings yet; see `Study.tuning`.
        """
        distinct: dict[Hashable, Trial] = {}
        for cell in self.cells:
            chosen = cell.reading or (cell.search and tuple(cell.search.space.items()))
            for trial in cell.range_tests:
                distinct[trial.id] = trial
            for trial in cell.trainings:
                distinct[(trial, chosen) if chosen else trial.id] = trial
        return list(distinct.values())


def make_plan(study: Study) -> Plan:
    """Expand a study into checked trials, before anything is trained.

    Raises:
        ValueError, TypeError: Unknown field, data set or model, impossible value, a subset that
            misses a class, a batch larger than its subset, two arms or two points of the sweep that
            are the same.
    """
    sources = _Sources.of(study)
    _check_base(study.base)
    points = []
    for point in study.sweep.points:
        points.append([_plan_cell(study, arm, point, sources) for arm in study.arms])
        _reject_equal_arms(points[-1])
    _reject_equal_points(points)
    return Plan(study, tuple(cell for cells in points for cell in cells), sources.datasets)


def range_tests_alone(plan: Plan) -> Plan:
    """The plan's range tests, each once, as what is measured: no training follows them."""
    cells: dict[tuple[str, ...], Cell] = {}
    for cell in plan.cells:
        if cell.range_tests:
            ids = tuple(test.id for test in cell.range_tests)
            cells.setdefault(ids, Cell(cell.arm, cell.point, cell.range_tests))
    return replace(plan, cells=tuple(cells.values()))


@dataclass(frozen=True)
class _Sources:
    """What can be named as data set or model, and the hashes of what the user brought."""

    facts: Mapping[str, DatasetFacts]
    datasets: Mapping[str, Dataset]
    dataset_digests: Mapping[str, str]
    model_digests: Mapping[str, str]
    model_min_sizes: Mapping[str, int]

    @classmethod
    def of(cls, study: Study) -> _Sources:
        own = _load_datasets(study)
        return cls(
            facts={**DATASETS, **{name: dataset.facts(name) for name, dataset in own.items()}},
            datasets=own,
            dataset_digests={name: dataset.digest() for name, dataset in own.items()},
            model_digests={
                name: _source_digest(name, build) for name, build in study.models.items()
            },
            model_min_sizes={
                **{name: facts.min_size for name, facts in MODELS.items()},
                **dict.fromkeys(study.models, 1),
            },
        )


def _load_datasets(study: Study) -> dict[str, Dataset]:
    """The user's own data sets; numpy is imported only if there are any."""
    loaded = {}
    for name, given in study.datasets.items():
        from superconv_ray.data.dataset import Dataset

        loaded[name] = given() if callable(given) else given
        if not isinstance(loaded[name], Dataset):
            raise TypeError(
                f"datasets: {name!r} must be a Dataset or a function that returns one, "
                f"got {type(loaded[name]).__name__}"
            )
    return loaded


def _source_digest(name: str, build: Callable[..., Any]) -> str:
    """Hash of a model's source text, so that an edited model is a new trial."""
    try:
        return hashlib.sha256(inspect.getsource(build).encode()).hexdigest()[:16]
    except (OSError, TypeError):
        raise ValueError(
            f"models: {name!r} must be a function or class defined in a file: ids change with its "
            f"source, which cannot be read from {build!r}"
        ) from None


def _check_base(base: Trial) -> None:
    for name, instead in _SET_BY_STUDY.items():
        if value := getattr(base, name):
            raise ValueError(f"base: {name!r} cannot be set, {instead}; got {name}={value!r}")


def _plan_cell(study: Study, arm: str, point: Mapping[str, Any], sources: _Sources) -> Cell:
    where = Cell(arm, point).describe()
    try:
        settings, reading, space = _cell_settings(study, arm, point)
        template = replace(study.base, **settings)
        _reject_unused(study.arms[arm].settings, point, template)
        template = _resolve_sources(template, sources)
        facts = sources.facts[template.dataset]
        budget = study.budget_at(point)
        template = _with_steps(template, budget, facts)
        cell = Cell(arm, point, tuple(replace(template, seed=seed) for seed in study.seed_values()))
        # What a cell cannot be trained with at the ends of its choice is found now, not after it.
        if space:
            cell = replace(cell, search=_search(template, study, space, budget, facts))
            cell.trainings_with(**{name: range_.low for name, range_ in space.items()})
            cell.trainings_with(**{name: range_.high for name, range_ in space.items()})
        elif reading:
            tests = _range_tests(cell, study, reading, facts)
            cell = replace(cell, range_tests=tests, reading=reading)
            cell.trainings_with(max_lr=reading.high)
        else:
            cell = replace(cell, trainings=cell.trainings_with())
    except (ValueError, TypeError) as error:
        raise type(error)(f"{where}: {error}") from None
    return cell


def _cell_settings(
    study: Study, arm: str, point: Mapping[str, Any]
) -> tuple[dict[str, Any], FromRangeTest | None, dict[str, Tuned]]:
    """What a cell changes in the base, and what it chooses: max_lr by range test, or by search."""
    own = study.arms[arm].settings
    point = {name: value for name, value in point.items() if name != "budget"}
    check_field_names(point, "sweep")
    check_field_names(own, "Arm(...)")
    settings = {**point, **own}
    if both := sorted(point.keys() & own.keys()):
        raise ValueError(f"{both[0]!r} is set by the sweep and by the arm; choose one")
    for name, instead in _SET_BY_STUDY.items():
        if name in settings:
            raise ValueError(f"{name!r} cannot be set, {instead}; got {settings[name]!r}")
    if "subset_seed" in own:
        raise ValueError(
            "'subset_seed' must be the same for all arms, set it in base or sweep; "
            f"got {own['subset_seed']!r}"
        )
    space = {name: value for name, value in settings.items() if isinstance(value, Tuned)}
    given = {name: value for name, value in settings.items() if name not in space}
    max_lr = settings.get("max_lr")
    if not isinstance(max_lr, FromRangeTest):
        return given, None, space
    if space:
        raise ValueError(
            f"max_lr=from_range_test() and {next(iter(space))}=tuned(...) cannot be combined: "
            "tune max_lr as well, or give the other setting"
        )
    return {**given, "max_lr": None}, max_lr, {}


def _with_steps(template: Trial, budget: Budget, facts: DatasetFacts) -> Trial:
    count = sum(_training_counts(template, facts))
    return replace(template, steps=budget.steps(count, template.batch_size))


def _search(
    template: Trial,
    study: Study,
    space: Mapping[str, Tuned],
    budget: Budget,
    facts: DatasetFacts,
) -> Search:
    """The tuning trials of a cell: as its trainings, but scored on held-out labels."""
    tuning = study.tuning
    for name in space:
        if number_type(name) is None:
            raise ValueError(f"tuned(...) needs a field that holds one number, got {name!r}")
        if name in _SHAPES_THE_BUDGET:
            raise ValueError(
                f"{name!r} cannot be tuned, because the budget in steps depends on it; sweep it"
            )
    if shared := sorted(set(study.seed_values()) & set(tuning.seed_values())):
        raise ValueError(f"seeds must be < {tuning.FIRST_SEED} with tuned(...), got {shared[0]}")
    if template.validation_fraction:
        raise ValueError(
            "validation_fraction must be 0 with tuned(...): tuning holds out labels by itself, and "
            f"the trainings are measured on test labels; got {template.validation_fraction}"
        )
    held_out = replace(template, validation_fraction=tuning.validation_fraction)
    held_out = _with_steps(held_out, budget, facts)
    return Search(space, tuple(replace(held_out, seed=seed) for seed in tuning.seed_values()))


def _reject_unused(own: Mapping[str, Any], point: Mapping[str, Any], template: Trial) -> None:
    """A field that an arm sets must matter, unless it is the sweep that makes it idle here."""
    unused = template.unused_fields()
    for name in own:
        cause = unused.get(name)
        if cause and cause not in point:
            uses = f", which uses {', '.join(schedules.parameters(template.policy))}"
            raise ValueError(
                f"{name!r} is set by the arm but not used with {cause} "
                f"{getattr(template, cause)!r}{uses if cause == 'policy' else ''}"
            )


def _resolve_sources(template: Trial, sources: _Sources) -> Trial:
    """The template with its data set and model checked, and data_count and digests filled in."""
    facts = sources.facts.get(template.dataset)
    if facts is None:
        raise ValueError(unknown_name("dataset", template.dataset, sources.facts))
    if template.model not in sources.model_min_sizes:
        raise ValueError(unknown_name("model", template.model, sources.model_min_sizes))
    _check_shape(template, facts, sources.model_min_sizes[template.model])
    count, fraction = _resolve_count(template, facts)
    return replace(
        template,
        data_count=count,
        data_fraction=fraction,
        dataset_digest=sources.dataset_digests.get(template.dataset),
        model_digest=sources.model_digests.get(template.model),
    )


def _check_shape(template: Trial, facts: DatasetFacts, min_size: int) -> None:
    shape = facts.input_shape
    if len(shape) == 1 and (template.model in MODELS or template.augment != "none"):
        name = "model" if template.model in MODELS else "augment"
        value = getattr(template, name)
        raise ValueError(
            f"{name} {value!r} needs images, but dataset {facts.name!r} holds vectors "
            f"of {shape[0]} features; bring a model of your own and augment='none'"
        )
    if len(shape) == 3 and min(shape[1:]) < min_size:
        raise ValueError(
            f"model {template.model!r} needs images of at least {min_size} x {min_size} pixels, "
            f"but those of dataset {facts.name!r} are {shape[1]} x {shape[2]}"
        )


def _resolve_count(template: Trial, facts: DatasetFacts) -> tuple[int, float]:
    """Limited labels as a count, and the fraction to show for it."""
    total = facts.train_count
    if template.data_count is None:
        fraction = 1.0 if template.data_fraction is None else template.data_fraction
        return max(1, round(fraction * total)), fraction
    if template.data_fraction is not None:
        raise ValueError(
            f"set data_fraction or data_count, not both; got data_fraction="
            f"{template.data_fraction} and data_count={template.data_count}"
        )
    if template.data_count > total:
        raise ValueError(
            f"data_count must be <= {total}, the training set of {facts.name!r}, "
            f"got {template.data_count}"
        )
    return template.data_count, template.data_count / total


def _training_counts(template: Trial, facts: DatasetFacts) -> tuple[int, ...]:
    """Samples per class that a trial trains on.

    Raises:
        ValueError: A class has no sample to train on or to validate on, or a batch is larger than
            the subset.
    """
    assert template.data_count is not None
    split = split_counts(
        facts.train_class_counts, template.data_count, template.validation_fraction
    )
    held_out = template.validation_fraction
    given = (
        f"{template.data_count} of {facts.train_count} labels of {facts.name!r} "
        f"(data_fraction={template.data_fraction:.3g}, validation_fraction={held_out:.3g})"
    )
    parts = {"training": split.training}
    if held_out:
        parts["validation"] = split.validation
    for part, counts in parts.items():
        if 0 in counts:
            missing = [label for label, count in enumerate(counts) if not count]
            raise ValueError(
                f"data_fraction must leave every class a {part} sample, but {given} leave none to "
                f"classes {missing}"
            )
    if template.batch_size > sum(split.training):
        raise ValueError(
            f"batch_size must be <= {sum(split.training)}, the training samples in {given}, "
            f"got {template.batch_size}"
        )
    return split.training


def _range_tests(
    cell: Cell, study: Study, reading: FromRangeTest, facts: DatasetFacts
) -> tuple[Trial, ...]:
    """The LR range tests of a cell: its data and model, scored on held-out labels."""
    template = cell.trainings[0]
    held_out = replace(template, validation_fraction=reading.validation_fraction)
    count = sum(_training_counts(held_out, facts))
    steps = reading.steps
    if steps is None:
        budget = study.budget_at(cell.point)
        steps = max(100, budget.steps(count, held_out.batch_size) // 4)
    training = replace(template, max_lr=reading.high).complete()
    test = replace(
        held_out,
        # Falling as in the training while the learning rate rises (1803.09820, section 4.3)
        momentum=training.momentum,
        min_momentum=training.min_momentum,
        policy=f"range_test_{reading.scale}",
        max_lr=reading.high,
        start_lr=reading.low,
        steps=steps,
        eval_interval=max(1, steps // reading.points),
        eval_count=RANGE_TEST_EVAL_COUNT,
    )
    seeds = study.seed_values()[: study.first_seeds()]
    return tuple(replace(test, seed=seed).complete() for seed in seeds)


def _reject_equal_arms(cells: Iterable[Cell]) -> None:
    seen: dict[Any, Cell] = {}
    for cell in cells:
        other = seen.setdefault(cell.signature, cell)
        if other is not cell:
            raise ValueError(
                f"{cell.describe()}: the same trials as arm {other.arm!r}; remove one, or let them "
                "differ in a field that their policy uses"
            )


def _reject_equal_points(points: Iterable[Sequence[Cell]]) -> None:
    seen: dict[Any, Cell] = {}
    for cells in points:
        other = seen.setdefault(tuple(cell.signature for cell in cells), cells[0])
        if other is not cells[0]:
            raise ValueError(
                f"sweep: the points {dict(other.point)} and {dict(cells[0].point)} are the same "
                "trials for every arm; remove one"
            )
