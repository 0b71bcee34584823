"""LR range tests alone, in one command: which ones, what they say, and a chart of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from superconv_ray.design.budget import iterations
from superconv_ray.design.choices import FromRangeTest
from superconv_ray.design.plan import Cell, Plan
from superconv_ray.design.study import Arm, Study
from superconv_ray.design.sweep import Sweep
from superconv_ray.design.text import text_table
from superconv_ray.design.trial import Trial
from superconv_ray.report.chart_files import save_chart

if TYPE_CHECKING:
    import pandas as pd

CHANGEABLE = ("dataset", "model", "data_fraction", "batch_size")
"""Fields of a trial that the command sets instead of the study."""


def default_study(changes: Mapping[str, Any]) -> Study:
    """What is tested where no study is given, named after its data set and model."""
    base = Trial()
    names = [changes[name] or getattr(base, name) for name in ("dataset", "model")]
    return Study(name="_".join(names), budget=iterations(2000), base=base)


def lr_find_study(
    study: Study, changes: Mapping[str, Any], reading: FromRangeTest, seeds: int | None
) -> Study:
    """The study whose range tests are asked for; `plan.range_tests_alone` makes them its trials.

    Args:
        study: Whose base, sweep, budget, data sets and models to use.
        changes: Value by name of the fields of `CHANGEABLE`: set in the base and left out of the
            sweep. None: as the study has it.
        reading: The range test, from `from_range_test`; with validation_fraction 0 it is measured
            on test labels.
        seeds: How many replicates; None: the study's.
    """
    changes = {name: value for name, value in changes.items() if value is not None}
    if "data_fraction" in changes:
        changes["data_count"] = None
    points: list[Mapping[str, Any]] = []
    for point in study.sweep.points:
        kept = {k: v for k, v in point.items() if k not in ("max_lr", *changes)}
        if kept not in points:
            points.append(kept)
    return replace(
        study,
        name=f"lr_find_{study.name}",
        question="Which learning rates does an LR range test find?",
        base=replace(study.base, **changes),
        sweep=Sweep(tuple(points)),
        arms={"range_test": Arm(max_lr=reading)},
        seeds=study.seed_values()[: study.first_seeds()] if seeds is None else seeds,
        tables=None,
    )


def answers(plan: Plan, store_uri: str, charts: Iterable[Path]) -> Iterator[str]:
    """What the store's range tests of a plan say, cell by cell; then where the charts are.

    Args:
        plan: From `range_tests_alone`, and run.
        store_uri: Path or URI of the store.
        charts: Files to write; without the optional packages, what to install instead.
    """
    from superconv_ray.analysis import (
        join_range_tests,
        mean_curves,
        range_test_table,
        suggestions,
    )
    from superconv_ray.storage.store import open_store

    store, name = open_store(store_uri), plan.study.name
    curves = join_range_tests(store.trials(name), store.curves(name))
    if curves.empty:
        yield f"no finished range test of study {name!r} yet"
        return
    table = range_test_table(curves, ["cell"])
    rules, means = suggestions(curves, ["cell"]), mean_curves(curves, ["cell"])
    titles = {index: _title(cell) for index, cell in enumerate(plan.cells)}
    for _, row in table.iterrows():
        cell = row["cell"]
        yield ""
        yield f"{titles[cell]}, {_seeds(row['seeds'])}"
        yield from _measured(row)
        yield _rules_table(rules[rules["cell"] == cell])
    yield ""
    yield from _draw(table, rules, means, titles, charts)


def _title(cell: Cell) -> str:
    test = cell.trainings[0]
    point = "".join(f", {name}={value}" for name, value in cell.point.items())
    return (
        f"{test.policy.replace('_', ' ')} of {test.model} on {test.dataset}{point}: "
        f"{test.data_count:,} labels, LR {test.start_lr:g} to {test.max_lr:g}, {test.steps:,} steps"
    )


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"


def _measured(row: pd.Series[Any]) -> Iterator[str]:
    """The numbers of a row of `range_test_table`, in words."""
    yield f"verdict: {row['verdict']}. {row['advice']}"
    if math.isnan(row["peak_lr"]):
        return
    interval = "" if math.isnan(row["low"]) else f" [{row['low']:g}, {row['high']:g}]"
    yield (
        f"{row['labels']} accuracy peaks at {100 * row['peak_accuracy']:.1f} % at LR "
        f"{row['peak_lr']:g}{interval}; at least 95 % of that from {row['plateau_low']:g} to "
        f"{row['plateau_high']:g} ({row['plateau_decades']:.2f} decades)"
    )
    if row["diverged"]:
        yield f"diverged: {_seeds(row['diverged'])}, the first at LR {row['divergence_lr']:g}"
    if not math.isnan(row["regularization_low"]):
        yield (
            f"regularization by the learning rate: from {row['regularization_low']:g} to "
            f"{row['regularization_high']:g} training loss changes by "
            f"{row['train_loss_change']:+.3f}, {row['labels']} loss by "
            f"{row['held_out_loss_change']:+.3f}"
        )


def _rules_table(rules: pd.DataFrame) -> str:
    columns = ["rule", "lr", "sets", "note", "source"]
    shown = rules.assign(lr=["-" if math.isnan(lr) else f"{lr:.3g}" for lr in rules["lr"]])
    return text_table(columns, [list(map(str, row)) for row in shown[columns].to_numpy()])


def _draw(
    table: pd.DataFrame,
    rules: pd.DataFrame,
    means: pd.DataFrame,
    titles: Mapping[int, str],
    charts: Iterable[Path],
) -> Iterator[str]:
    if table["peak_lr"].isna().all():
        yield "no chart: nothing was measured"
        return
    try:
        from superconv_ray.report.charts import range_tests

        chart = range_tests(table, rules, means, titles)
        for path in charts:
            save_chart(chart, path)
            yield f"chart: {path}"
    except ModuleNotFoundError as error:
        yield f"no chart: {error.name} is missing; pip install 'superconv_ray[report]'"
