"""What LR range tests alone say, as text and as HTML."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from superconv_ray.design.plan import Cell
from superconv_ray.design.text import counted, text_table

if TYPE_CHECKING:
    import pandas as pd

RULE_COLUMNS = ("rule", "lr", "sets", "note", "source")


def cell_title(cell: Cell) -> str:
    """Name the range tests of a cell: what was tested, on how many labels, over which rates."""
    test = cell.trainings[0]
    point = "".join(f", {name}={value}" for name, value in cell.point.items())
    return (
        f"{test.policy.replace('_', ' ')} of {test.model} on {test.dataset}{point}: "
        f"{test.data_count:,} labels, LR {test.start_lr:g} to {test.max_lr:g}, {test.steps:,} steps"
    )


def range_tests_text(table: pd.DataFrame, rules: pd.DataFrame, titles: Mapping[int, str]) -> str:
    """The verdict, the numbers and every rule's rate, cell by cell.

    Args:
        table: From `range_test_table`, by "cell".
        rules: From `suggestions`, by "cell".
        titles: From `cell_title`, by cell.
    """
    parts = []
    for cell, heading, numbers, shown in _cells(table, rules):
        rows = text_table(RULE_COLUMNS, shown)
        parts.append("\n".join([f"{titles[cell]}, {heading}", *numbers, rows]))
    return "\n\n".join(parts)


def range_tests_html(table: pd.DataFrame, rules: pd.DataFrame, titles: Mapping[int, str]) -> str:
    """The same as `range_tests_text`, for a notebook."""
    parts = []
    for cell, heading, numbers, shown in _cells(table, rules):
        head = "".join(f"<th>{name}</th>" for name in RULE_COLUMNS)
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in shown
        )
        parts.append(
            f"<p><b>{escape(titles[cell])}, {heading}</b><br>{'<br>'.join(map(escape, numbers))}"
            f"</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )
    return "".join(parts)


def _cells(
    table: pd.DataFrame, rules: pd.DataFrame
) -> Iterator[tuple[int, str, list[str], list[list[str]]]]:
    """Each cell with its number of seeds, its numbers in words, and the rows of its rules."""
    shown = rules.assign(lr=["-" if math.isnan(lr) else f"{lr:.3g}" for lr in rules["lr"]])
    for _, row in table.iterrows():
        own = shown.loc[shown["cell"] == row["cell"], list(RULE_COLUMNS)]
        rows = [list(map(str, values)) for values in own.to_numpy()]
        yield row["cell"], counted(row["seeds"], "seed"), list(_measured(row)), rows


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
        lost = counted(row["diverged"], "seed")
        yield f"diverged: {lost}, the first at LR {row['divergence_lr']:g}"
    if not math.isnan(row["regularization_low"]):
        yield (
            f"regularization by the learning rate: from {row['regularization_low']:g} to "
            f"{row['regularization_high']:g} training loss changes by "
            f"{row['train_loss_change']:+.3f}, {row['labels']} loss by "
            f"{row['held_out_loss_change']:+.3f}"
        )
