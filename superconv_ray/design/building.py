"""From a study to its plan: budgets, subsets and defaults are computed and checked.

Needs neither torch nor Ray, so that a mistake is reported within a fraction of a second.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator, Mapping
from typing import Any

from superconv_ray.data.catalog import DatasetFacts
from superconv_ray.design.checking import (
    check_all_differ,
    check_base,
    check_cell_settings,
    check_own_seeds,
    check_search,
    check_unused,
    training_count,
)
from superconv_ray.design.choices import FromRangeTest, Tuned, Tuning
from superconv_ray.design.plan import Cell, Plan, Point, Search, describe_cell
from superconv_ray.design.replicates import Replicates
from superconv_ray.design.sources import Sources
from superconv_ray.design.study import Study
from superconv_ray.design.trial import CompleteTrial, Template, Trial

RANGE_TEST_EVAL_COUNT = 1_000
"""Maximum number of held-out samples evaluated per point of a range test. Accuracies are smoothed
along the test and averaged over seeds, so few samples suffice."""


def make_plan(study: Study) -> Plan:
    """Expand a study into checked trials, before anything is trained.

    Raises:
        ValueError, TypeError: Unknown field, data set or model, impossible value, a subset without
            samples of some class, a batch larger than its subset, or two arms or two points of the
            sweep that are the same.
    """
    sources = Sources(study)
    check_base(study.base)
    with _no_garbage():
        points = []
        for settings in study.sweep.points:
            cells = tuple(_plan_cell(study, arm, settings, sources) for arm in study.arms)
            points.append(Point(settings, cells))
        check_all_differ(points)
    return Plan(study, tuple(points), sources.datasets, sources.functions)


@contextlib.contextmanager
def _no_garbage() -> Iterator[None]:
    """Keep Python from searching for garbage: a plan makes a million objects, and keeps them.

    The searches took a third of the time of a plan of 200,000 cells.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _plan_cell(study: Study, arm: str, point: Mapping[str, Any], sources: Sources) -> Cell:
    try:
        settings, reading, space = _cell_settings(study, arm, point)
        kind = Template if space or reading else CompleteTrial
        draft = study.base.draft(kind, **settings)
        check_unused(study.arms[arm].settings, point, draft)
        facts, found = sources.resolve(draft)
        subset_seed = draft.subset_seed  # a complete trial has that of its own seed, if none is set
        steps = _steps(draft, found["data_count"], study, point, facts)
        template = draft.finished(**found, steps=steps)
        templates = Replicates(template, study.seed_values(), subset_seed)
        # Complete the trainings with the ends of each choice: impossible ones are reported now,
        # not after the choice was made.
        if space:
            search = _search(template, study, point, space, facts)
            templates.complete(**{name: range_.low for name, range_ in space.items()})
            templates.complete(**{name: range_.high for name, range_ in space.items()})
            return Cell(arm, point, templates, search=search)
        if reading:
            tests = _range_tests(template, study, point, reading, facts)
            templates.complete(max_lr=reading.high)
            confirmations = None
            if reading.confirm:
                held_out = _held_out(template, study, point, reading.validation_fraction, facts)
                confirmations = Replicates(held_out, tests.seeds, tests.subset_seed)
            return Cell(arm, point, templates, tests, reading, confirmations)
        return Cell(arm, point, templates)
    except (ValueError, TypeError) as error:
        placed = type(error)(f"{describe_cell(arm, point)}: {error}")
        raise placed.with_traceback(error.__traceback__) from None  # which tells who raised it


def _cell_settings(
    study: Study, arm: str, point: Mapping[str, Any]
) -> tuple[dict[str, Any], FromRangeTest | None, dict[str, Tuned]]:
    """Return what a cell changes in the base, how it reads max_lr, and what it tunes."""
    own = study.arms[arm].settings
    point = {name: value for name, value in point.items() if name != "budget"}
    check_cell_settings(point, own)
    settings = {**point, **own}
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


def _steps(
    trial: Trial, labels: int, study: Study, point: Mapping[str, Any], facts: DatasetFacts
) -> int:
    count = training_count(facts, labels, trial.validation_fraction, trial.batch_size)
    return study.budget_at(point).steps(count, trial.batch_size)


def _held_out(
    template: Template,
    study: Study,
    point: Mapping[str, Any],
    fraction: float,
    facts: DatasetFacts,
) -> Template:
    """Return a training that is scored on some of its labels, with the budget for the others."""
    held_out = template.changed(validation_fraction=fraction)
    return held_out.changed(steps=_steps(held_out, held_out.data_count, study, point, facts))


def _search(
    template: Template,
    study: Study,
    point: Mapping[str, Any],
    space: Mapping[str, Tuned],
    facts: DatasetFacts,
) -> Search:
    """Plan a cell's tuning trials: like its trainings, but scored on held-out labels."""
    tuning = study.tuning
    check_search(space, template, study.seed_values())
    held_out = _held_out(template, study, point, tuning.validation_fraction, facts)
    trained = training_count(
        facts, held_out.data_count, held_out.validation_fraction, held_out.batch_size
    )
    return Search(
        space=space,
        template=held_out,
        subset_seed=held_out.subset_seed,
        held_out=held_out.data_count - trained,
        tuning=tuning,
    )


def _range_tests(
    template: Template,
    study: Study,
    point: Mapping[str, Any],
    reading: FromRangeTest,
    facts: DatasetFacts,
) -> Replicates[CompleteTrial]:
    """Plan a cell's LR range tests: its data and model, scored on held-out labels."""
    held_out = _held_out(template, study, point, reading.validation_fraction, facts)
    steps = reading.steps
    if steps is None:
        steps = max(FromRangeTest.FEWEST_STEPS, held_out.steps // 4)
    training = template.complete(max_lr=reading.high)
    test = held_out.changed(
        # Momentum falls while the learning rate rises, as in the training (1803.09820, section 4.3)
        momentum=training.momentum,
        min_momentum=training.min_momentum,
        policy=f"range_test_{reading.scale}",
        image_sizes=None,  # or a point of the test would differ in more than its rate
        max_lr=reading.high,
        start_lr=reading.low,
        steps=steps,
        eval_interval=max(1, steps // reading.points),
        eval_count=RANGE_TEST_EVAL_COUNT,
    )
    measured = study.seed_values()[: study.first_seeds()]
    own = range(Tuning.FIRST_SEED, Tuning.FIRST_SEED + len(measured))
    check_own_seeds(study.seed_values(), "from_range_test()")
    # Other weights and another batch order, but the limited labels that the trainings have.
    subsets = measured if template.subset_seed is None else template.subset_seed
    return Replicates(test, own, subsets).complete()
