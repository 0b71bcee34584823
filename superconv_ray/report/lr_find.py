"""LR range tests as `lr-find` shows them: as text and as HTML, from frames of `analysis`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from superconv_ray.design.metrics import ACCURACY, Metric
from superconv_ray.design.plan import Cell
from superconv_ray.design.text import (
    counted,
    html_table,
    interval_text,
    paragraph,
    point_text,
    text_table,
    value_text,
)

if TYPE_CHECKING:
    import pandas as pd

TITLED = ("model", "dataset", "data_count", "data_fraction")
"""Columns of a point that a chart's title shows anyway."""
RULE_COLUMNS = ("rule", "by", "LR", "sets", "note")


def cell_title(cell: Cell) -> str:
    """Schedule, model, data set and range of a cell of range tests."""
    test = cell.trainings.pattern
    points = {name: value for name, value in cell.point.items() if name != "data_count"}
    settings = [
        *([point_text(points)] if points else []),
        f"{test.data_count:,} labels",
        f"LR {test.start_lr:g} to {test.max_lr:g}",
        f"{test.steps:,} steps",
    ]
    schedule = str(test.policy).replace("_", " ")
    return f"{schedule} of {test.model} on {test.dataset}: {', '.join(settings)}"


def chart_title(cell: Cell) -> str:
    """Model, data set, labels and point of a cell of range tests; short enough for a line."""
    test = cell.trainings.pattern
    points = {name: value for name, value in cell.point.items() if name not in TITLED}
    place = [f"{test.data_count:,} labels", *([point_text(points)] if points else [])]
    return f"{test.model} on {test.dataset}, {', '.join(place)}"


def range_tests_text(
    table: pd.DataFrame,
    rules: pd.DataFrame,
    titles: Mapping[int, str],
    metric: Metric = ACCURACY,
) -> str:
    """Verdict, measurements and every rule's learning rate, a block for each cell.

    Args:
        table: From `range_test_table`, by "cell".
        rules: From `suggestions`, by "cell".
        titles: Title of each cell, such as from `cell_title`.
        metric: What was measured.
    """
    return "\n\n".join(
        "\n".join(
            [
                *map(paragraph, _sentences(row, titles, metric)),
                text_table(RULE_COLUMNS, _rule_rows(row, rules), wrap=["note"]),
            ]
        )
        for row in table.to_dict("records")
    )


def range_tests_html(
    table: pd.DataFrame,
    rules: pd.DataFrame,
    titles: Mapping[int, str],
    metric: Metric = ACCURACY,
) -> str:
    """The same as `range_tests_text`, for a notebook."""
    parts = []
    for row in table.to_dict("records"):
        title, *sentences = map(escape, _sentences(row, titles, metric))
        parts.append(f"<p><b>{title}</b><br>{'<br>'.join(sentences)}</p>")
        parts.append(html_table(RULE_COLUMNS, _rule_rows(row, rules)))
    return "".join(parts)


def _sentences(row: Mapping[Any, Any], titles: Mapping[int, str], metric: Metric) -> Iterator[str]:
    """A row of `range_test_table` in words, its title first."""
    yield f"{titles[row['cell']]}, {counted(row['seeds'], 'seed')}"
    yield f"verdict: {row['verdict']}. {row['advice']}"
    if math.isnan(row["peak_lr"]):
        return
    peak = interval_text(row["peak_lr"], row["low"], row["high"], "g")
    yield (
        f"{row['labels']} {metric.in_range_tests} peaks at {100 * row['peak_accuracy']:.1f} % at "
        f"LR {peak}; it is at least 95 % of that from LR {row['plateau_low']:g} to "
        f"{row['plateau_high']:g}, a factor of {row['plateau_ratio']:.2g} "
        f"({row['plateau_decades']:.2f} decades), with {100 * row['share_inside']:.0f} % of the "
        f"measurements there; raggedness {100 * row['raggedness']:.1f} points"
    )
    if row["collapsed"]:
        lost = counted(row["collapsed"], "seed")
        yield f"collapsed: {lost}, the first at LR {row['collapse_lr']:g}"
    if not math.isnan(row["regularization_low"]):
        yield (
            f"regularization by the learning rate: from LR {row['regularization_low']:g} to "
            f"{row['regularization_high']:g}, training loss changes by "
            f"{row['train_loss_change']:+.3f} and {row['labels']} loss by "
            f"{row['held_out_loss_change']:+.3f}"
        )


def _rule_rows(row: Mapping[Any, Any], rules: pd.DataFrame) -> list[tuple[str, ...]]:
    return [
        (
            found["rule"],
            found["source"].split()[0],
            value_text(found["lr"], ".3g"),
            found["sets"],
            found["note"],
        )
        for found in rules[rules["cell"] == row["cell"]].to_dict("records")
    ]
