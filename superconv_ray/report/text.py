"""A study's results as text in lines of at most 80 characters: what `run` and `show` print."""

from __future__ import annotations

import pandas as pd

from superconv_ray.design.text import duration, paragraph, text_table
from superconv_ray.report.readable import Quantity, shown_columns
from superconv_ray.report.study_results import StudyResults
from superconv_ray.report.table_formats import as_text
from superconv_ray.report.tables import study_tables
from superconv_ray.report.verdict import caveats, headline

ESTIMATES = ("factor", "best", "cost", "mean")
"""Columns whose interval is in the columns low and high, in order of preference."""
LONG = 24
"""Texts longer than this are broken in the cells of a table."""
MOST_KEYS = 3
"""Leading columns that are repeated where a table is too wide."""


def study_text(results: StudyResults) -> str:
    """The verdict, the first arm's steps to the end of long runs, accuracies, gaps and the cost.

    Accuracies are those on the test set, or on validation labels where a training holds some out.
    """
    head = [paragraph(f"{results.name}: {results.question}".rstrip(": ")), results.state]
    where = f"tables: {results.store.files.place} (trials/, curves/, studies/)"
    answer = "\n\n".join(
        map(paragraph, filter(None, [headline(results), " ".join(caveats(results))]))
    )
    if results.trainings.empty:
        return "\n".join([*head, answer, where])
    tables = list(map(as_text, study_tables(results)))
    return "\n\n".join(["\n".join(head), answer, *tables, f"{_hardware(results)}\n{where}"])


def _hardware(results: StudyResults) -> str:
    trainings = results.trainings
    devices, precisions = (
        ", ".join(sorted(set(trainings[name].dropna()))) for name in ("device", "precision_used")
    )
    spent = duration(trainings["train_seconds"].sum())
    return paragraph(f"hardware: {devices}; {precisions}; {spent} of training", "  ")


def frame_text(frame: pd.DataFrame) -> str:
    """A frame as a text table, numbers to four digits, without the index; long texts come last.

    Accuracies are in percent; means and factors have their interval in one cell. Where the table is
    too wide for a terminal, the columns before the first decimal number are repeated.
    """
    known = [Quantity(name, (name, "low", "high")) for name in ESTIMATES if name in frame]
    merged = known[:1] if {"low", "high"} <= set(frame) else []
    shown = list(shown_columns(frame, merged))
    columns = {one.heading: one.cells(frame) for one in shown}
    places = {one.heading: one.place for one in shown}
    long = [name for name, cells in columns.items() if max(map(len, cells), default=0) > LONG]
    order = [*(name for name in columns if name not in long), *long]
    floats = [pd.api.types.is_float_dtype(frame.iloc[:, places[name]]) for name in order]
    keys = min(MOST_KEYS, max(1, floats.index(True) if any(floats) else 1))
    rows = zip(*(columns[name] for name in order), strict=True)
    return text_table(order, list(rows), keys=keys, wrap=long)
