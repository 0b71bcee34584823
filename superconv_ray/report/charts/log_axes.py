"""Logarithmic axes: which values they show, their ticks and their ends."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import altair as alt
import pandas as pd

MULTIPLES = ((1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7))
"""Numbers of each power of ten that are ticks, for axes of two decades and more, one, and less."""


def above_zero(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows that fit a logarithmic axis; intervals end at half of the smallest mean."""
    found = rows[rows["mean"] > 0]
    return found.assign(low=found["low"].clip(lower=found["mean"].min() / 2))


def log_x(column: str, title: str | list[str], values: Iterable[float]) -> alt.X:
    """A horizontal logarithmic axis over these values."""
    return alt.X(f"{column}:Q", title=title, **_over(list(values)))


def log_y(column: str, title: str | list[str], values: Iterable[float]) -> alt.Y:
    """A vertical logarithmic axis over these values."""
    return alt.Y(f"{column}:Q", title=title, **_over(list(values)))


def _over(values: Sequence[float]) -> dict[str, Any]:
    return {"scale": log_scale(values), "axis": log_axis(log_ticks(values))}


def log_axis(ticks: Sequence[float] | None = None, *, labels: bool = True) -> alt.Axis:
    """An axis over decades, with labels such as 0.001, 300 or 12,000 that do not overlap."""
    given: dict[str, Any] = {"values": list(ticks)} if ticks is not None else {}
    return alt.Axis(
        labelExpr="format(datum.value, datum.value < 1000 ? '~g' : ',')",
        labelOverlap="greedy",
        labelSeparation=6,
        labels=labels,
        **given,
    )


def log_ticks(values: Iterable[float]) -> list[float] | None:
    """Round numbers between the smallest and the largest value > 0; None leaves ticks to Vega."""
    logs = [math.log10(v) for v in values if v > 0 and math.isfinite(v)]
    if not logs:
        return None
    span = max(logs) - min(logs)
    powers = range(math.floor(min(logs)), math.ceil(max(logs)) + 1)
    for multiples in MULTIPLES[-1 - min(int(span), 2) :]:
        round_ones = [float(f"{m}e{power}") for power in powers for m in multiples]
        inside = [v for v in round_ones if min(logs) <= math.log10(v) <= max(logs)]
        if len(inside) > 2:
            return inside
    return None


def log_scale(values: Iterable[float], room: float = 0.06, beside: float = 0.0) -> alt.Scale:
    """Scale from the smallest to the largest value > 0.

    Args:
        values: Some may be missing.
        room: Left free at both ends, as a fraction of the span.
        beside: Pixels that marks are drawn beside their values, for which there is room as well.
    """
    logs = [math.log(v) for v in values if v > 0 and math.isfinite(v)] or [0.0]
    span = (max(logs) - min(logs)) or math.log(4)
    ends = [math.exp(min(logs) - room * span), math.exp(max(logs) + room * span)]
    return alt.Scale(type="log", domain=ends, nice=False, padding=beside)
