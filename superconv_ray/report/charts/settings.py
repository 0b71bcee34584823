"""Accuracy over two settings as a heatmap, and over the settings that a search tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from superconv_ray.design.metrics import ACCURACY, Metric
from superconv_ray.design.text import column_name, value_text
from superconv_ray.report import theme
from superconv_ray.report.charts.log_axes import log_x
from superconv_ray.report.charts.parts import (
    arm_encodings,
    arm_rows,
    in_units,
    panels,
    points,
    stacked,
    view,
    y_of,
)

CELL_HEIGHT = 36
MOST_WRITTEN = 10
"""Largest number of cells along a side for numbers in cells."""
MOST_ABREAST = 5
"""Largest number of columns for two heatmaps side by side."""
BRIGHT = 0.6
"""Fraction of the color range from which black text is more readable than white."""
SEARCH_HEIGHT = 180


def heatmap(
    frame: pd.DataFrame,
    optima: pd.DataFrame,
    *,
    x: str,
    y: str,
    facet: Sequence[str] = (),
    label: str = "accuracy (%)",
    metric: Metric = ACCURACY,
) -> alt.LayerChart | alt.FacetChart:
    """Mean accuracy over two settings; the best `y` at each `x` is framed, its interval a bar.

    Args:
        frame: From `arm_summary`, by `x`, `y` and `facet`.
        optima: From `optimum` over `y`, by `x` and `facet`.
        x: Column of the horizontal axis.
        y: Column of the vertical axis.
        facet: Columns with a panel for each combination of their values.
        label: What is drawn, with its unit.
        metric: What was measured.

    Raises:
        ValueError: Several rows share a cell.
    """
    place = [*facet, x, y]
    if frame.duplicated(place).any():
        raise ValueError(f"facet must tell cells apart, but several rows share {', '.join(place)}")
    best = optima.rename(columns={"best": y, "low": "best_low", "high": "best_high"})
    columns = [*place, "best_low", "best_high"]
    rows = in_units(frame, metric).merge(
        best[columns].assign(best=True), on=place, how="left", validate="one_to_one"
    )
    middle = rows["mean"].min() + BRIGHT * (rows["mean"].max() - rows["mean"].min())
    xs, ys = (sorted(rows[axis].unique()) for axis in (x, y))
    rows = rows.assign(
        panel=panels(rows, facet),
        x=rows[x].map(value_text),
        y=rows[y].map(value_text),
        written=rows["mean"].map(f"{{:{metric.form(*rows['mean'])}}}".format),
        bright=rows["mean"] > middle,
        best=rows["best"].eq(True),
        **{end: rows[end].map(value_text, na_action="ignore") for end in ("best_low", "best_high")},
    )
    # Domains, as layers of several columns lose their sorting.
    across, upwards = (
        alt.Scale(domain=list(map(value_text, values))) for values in (xs, list(reversed(ys)))
    )
    axis = alt.Axis(labelAngle=0, labelOverlap="greedy")
    at = alt.X("x:O", title=column_name(x), scale=across, axis=axis)
    up, along = (alt.Y(f"{c}:O", title=column_name(y), scale=upwards) for c in ("y", "best_low"))
    written = max(len(xs), len(ys)) <= MOST_WRITTEN
    layers = [_cells(at, up, x, y, label), *_best(at, up, along), *([_numbers(at, up)] * written)]
    drawn = ["x", "y", "n", "written", "bright", "best", "best_low", "best_high"]
    abreast = 1 if len(xs) > MOST_ABREAST else None
    return view(layers, rows, drawn, facet, CELL_HEIGHT * len(ys), abreast)


def _cells(at: alt.X, up: alt.Y, x: str, y: str, label: str) -> alt.Chart:
    legend = alt.Legend(orient="top", gradientLength=200, titleLimit=300)
    color = alt.Color(
        "mean:Q", title=label, scale=alt.Scale(scheme=theme.SEQUENTIAL), legend=legend
    )
    tooltip = [
        alt.Tooltip("x:N", title=column_name(x)),
        alt.Tooltip("y:N", title=column_name(y)),
        alt.Tooltip("text:N", title=f"{label} [95 % interval]"),
        alt.Tooltip("n:Q", title="seeds"),
    ]
    cells: alt.Chart = alt.Chart().mark_rect().encode(x=at, y=up, color=color, tooltip=tooltip)
    return cells


def _numbers(at: alt.X, up: alt.Y) -> alt.Chart:
    """Numbers in black or white, depending on the color of their cell."""
    ink = alt.condition("datum.bright", alt.value("black"), alt.value("white"))
    numbers: alt.Chart = alt.Chart().mark_text().encode(x=at, y=up, text="written:N", color=ink)
    return numbers


def _best(at: alt.X, up: alt.Y, along: alt.Y) -> list[alt.Chart]:
    """Frames around the best cells, and bars over their intervals."""
    best = alt.Chart().transform_filter("datum.best")
    frame = best.mark_rect(fillOpacity=0, stroke=theme.VERMILLION, strokeWidth=3)
    bar = best.transform_filter("isValid(datum.best_low)").mark_rule(
        color=theme.VERMILLION, strokeWidth=3, xOffset=alt.expr("-bandwidth('x') / 2 + 5")
    )
    told = [alt.Tooltip("best_low:N", title="best from"), alt.Tooltip("best_high:N", title="to")]
    return [
        frame.encode(x=at, y=up),
        bar.encode(x=at, y=along, y2=alt.Y2("best_high:O"), tooltip=told),
    ]


def searched(
    frame: pd.DataFrame,
    arms: Sequence[str],
    facet: Sequence[str] = ("data_count",),
    metric: Metric = ACCURACY,
) -> alt.VConcatChart:
    """Settings that searches tried and their scores, with lines at the chosen ones.

    Args:
        frame: From `analysis.search.searched`.
        arms: The study's arms.
        facet: Columns with a panel for each combination of their values.
        metric: What the scores are.
    """
    rows = arm_rows(frame.assign(mean=metric.factor * frame["score"]), arms, facet)
    title = f"validation {metric.heading}"
    settings = list(dict.fromkeys(rows["setting"]))
    return stacked(
        *(
            _tried(rows[rows["setting"] == setting], setting, title, arms, facet, first=i == 0)
            for i, setting in enumerate(settings)
        )
    )


def _tried(
    rows: pd.DataFrame,
    setting: str,
    title: str,
    arms: Sequence[str],
    facet: Sequence[str],
    *,
    first: bool,
) -> alt.LayerChart | alt.FacetChart:
    look = arm_encodings(arms, rows["arm"], legend=first)
    y = y_of("mean", title)
    tooltip = [
        alt.Tooltip("arm:N"),
        alt.Tooltip("tried:Q", title=column_name(setting), format=".3~g"),
        alt.Tooltip("mean:Q", title=title, format=".3~r"),
        alt.Tooltip("trials:Q"),
        alt.Tooltip("diverged:Q"),
        alt.Tooltip("chosen:Q", format=".3~g"),
    ]
    at = _tried_axis(rows["tried"], setting)
    chosen = at.copy()
    chosen.shorthand = "chosen:Q"
    layers = [
        alt.Chart().mark_rule(strokeWidth=1.5).encode(x=chosen, color=look["color"]),
        points(look, opacity=0.75).encode(x=at, y=y, tooltip=tooltip),
    ]
    return view(layers, rows, ["tried", "trials", "diverged", "chosen"], facet, SEARCH_HEIGHT)


def _tried_axis(values: pd.Series[Any], setting: str) -> alt.X:
    """A logarithmic axis for values over decades, such as rates; else a linear one."""
    if values.min() > 0 and values.max() / values.min() > 10:
        return log_x("tried", f"{column_name(setting)} (log scale)", values)
    return alt.X("tried:Q", title=column_name(setting), scale=alt.Scale(zero=False))
