"""From a study to its plan: budgets, subsets and defaults are computed and checked.

Needs neither torch nor Ray, so that a mistake is reported within a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from superconv_ray.data.catalog import DatasetFacts
from superconv_ray.design.checking import (
    check_arms_differ,
    check_base,
    check_cell_settings,
    check_points_differ,
    check_search,
    check_unused,
    training_count,
)
from superconv_ray.design.choices import FromRangeTest, Tuned
from superconv_ray.design.plan import Cell, Plan, Point, Search
from superconv_ray.design.sources import Sources
from superconv_ray.design.study import Study
from superconv_ray.design.trial import CompleteTrial, Trial

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
    points = []
    for settings in study.sweep.points:
        cells = tuple(_plan_cell(study, arm, settings, sources) for arm in study.arms)
        points.append(Point(settings, cells))
        check_arms_differ(points[-1])
    check_points_differ(points)
    return Plan(study, tuple(points), sources.datasets)


def _plan_cell(study: Study, arm: str, point: Mapping[str, Any], sources: Sources) -> Cell:
    cell = Cell(arm, point)
    try:
        settings, reading, space = _cell_settings(study, arm, point)
        template = replace(study.base, **settings)
        check_unused(study.arms[arm].settings, point, template)
        template = sources.resolve(template)
        facts = sources.facts[template.dataset]
        template = _with_steps(template, study, point, facts)
        templates = tuple(replace(template, seed=seed) for seed in study.seed_values())
        cell = replace(cell, templates=templates, reading=reading)
        # Complete the trainings with the ends of each choice: impossible ones are reported now,
        # not after the choice was made.
        if space:
            cell = replace(cell, search=_search(template, study, point, space, facts))
            cell.trainings_with(**{name: range_.low for name, range_ in space.items()})
            cell.trainings_with(**{name: range_.high for name, range_ in space.items()})
        elif reading:
            cell = replace(cell, range_tests=_range_tests(template, study, point, reading, facts))
            cell.trainings_with(max_lr=reading.high)
        else:
            _ = cell.trainings
    except (ValueError, TypeError) as error:
        raise type(error)(f"{cell.describe()}: {error}") from None
    return cell


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


def _with_steps(
    template: Trial, study: Study, point: Mapping[str, Any], facts: DatasetFacts
) -> Trial:
    steps = study.budget_at(point).steps(training_count(template, facts), template.batch_size)
    return replace(template, steps=steps)


def _search(
    template: Trial,
    study: Study,
    point: Mapping[str, Any],
    space: Mapping[str, Tuned],
    facts: DatasetFacts,
) -> Search:
    """Plan a cell's tuning trials: like its trainings, but scored on held-out labels."""
    tuning = study.tuning
    check_search(space, template, study.seed_values(), tuning)
    held_out = replace(template, validation_fraction=tuning.validation_fraction)
    held_out = _with_steps(held_out, study, point, facts)
    return Search(space, tuple(replace(held_out, seed=seed) for seed in tuning.seed_values()))


def _range_tests(
    template: Trial,
    study: Study,
    point: Mapping[str, Any],
    reading: FromRangeTest,
    facts: DatasetFacts,
) -> tuple[CompleteTrial, ...]:
    """Plan a cell's LR range tests: its data and model, scored on held-out labels."""
    held_out = replace(template, validation_fraction=reading.validation_fraction)
    count = training_count(held_out, facts)
    steps = reading.steps
    if steps is None:
        steps = max(100, study.budget_at(point).steps(count, held_out.batch_size) // 4)
    training = replace(template, max_lr=reading.high).complete()
    test = replace(
        held_out,
        # Momentum falls while the learning rate rises, as in the training (1803.09820, section 4.3)
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
