"""Arms compared along an axis: accuracies, and gaps with verdicts."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from superconv_ray.analysis.comparison.verdicts import (
    ARM_BETTER,
    BASELINE_BETTER,
    EQUIVALENT,
    MARGIN,
    UNDECIDED,
)
from superconv_ray.design.metrics import ACCURACY, Metric
from superconv_ray.report.charts.parts import (
    DODGED,
    arm_encodings,
    arm_rows,
    bars,
    in_units,
    legend_of,
    line,
    open_end,
    place_tooltip,
    points,
    reference,
    shaped_points,
    view,
    x_of,
    y_of,
)

HEIGHT = 260
VERDICTS = {
    ARM_BETTER: "triangle-up",
    BASELINE_BETTER: "triangle-down",
    EQUIVALENT: "square",
    UNDECIDED: "circle",
}
"""Shape of each verdict."""
APART = 4.0
"""Panels have scales of their own if the gaps of one span more than this times those of another."""

OUTLYING = 8.0
"""A gap is beyond the axis if it reaches this many times as far as the middle one of its panel."""
ROOM = 1.5
"""How far the axis goes then, in times of the farthest of the other gaps."""


def accuracy(
    frame: pd.DataFrame,
    arms: Sequence[str],
    x: str = "data_count",
    facet: Sequence[str] = (),
    label: str = "test accuracy (%)",
    metric: Metric = ACCURACY,
) -> alt.LayerChart | alt.FacetChart:
    """Mean and interval of every arm along an axis: a metric, or generalization gaps.

    Args:
        frame: From `arm_summary` or `generalization_gap`, by `x` and `facet`: arm, mean, low, high,
            n, diverged.
        arms: The study's arms.
        x: Column of the axis; "arm" if nothing is swept.
        facet: Columns with a panel for each combination of their values.
        label: What is drawn, with its unit, such as percent or points.
        metric: What was measured.
    """
    rows = _beside(in_units(arm_rows(frame, arms, facet), metric), x)
    look, at = arm_encodings(arms, rows["arm"]), x_of(rows, x)
    tooltip = [
        alt.Tooltip("arm:N"),
        place_tooltip(x),
        alt.Tooltip("text:N", title=f"{label} [95 % interval]"),
        alt.Tooltip("n:Q", title="seeds"),
        alt.Tooltip("diverged:Q"),
    ]
    layers = [
        bars(look, xOffset=DODGED).encode(x=at, y=y_of("low", label), y2="high:Q", tooltip=tooltip),
        line(look, xOffset=DODGED).encode(x=at, y=y_of("mean", label)),
        points(look, xOffset=DODGED).encode(x=at, y=y_of("mean", label), tooltip=tooltip),
    ]
    return view(layers, rows, [x, "n", "diverged"], facet, HEIGHT)


def gaps(
    frame: pd.DataFrame,
    arms: Sequence[str],
    x: str = "data_count",
    facet: Sequence[str] = (),
    margin: float = MARGIN,
    metric: Metric = ACCURACY,
) -> alt.LayerChart | alt.FacetChart:
    """Gaps of an arm to its baselines with intervals; shapes show verdicts.

    All panels share their vertical scale unless the gaps of one would be flat on that of another
    (see `APART`); the title of the axis says so. Arrows mark what goes beyond the axis: a run that
    diverged would else make all other gaps flat.

    Args:
        frame: From `compare`, by `x` and `facet`.
        arms: The study's arms; a gap has the color of its baseline.
        x: Column of the axis; "baseline" if nothing is swept.
        facet: Columns with a panel for each combination of their values.
        margin: Smallest gap that counts, as given to `compare`; a dashed line on either side of 0.
        metric: What was measured.
    """
    rows = arm_rows(frame.assign(arm=frame["baseline"]), arms, facet)
    rows = _beside(in_units(rows, metric, "+"), x)
    look = arm_encodings(arms, rows["arm"], title="baseline", lines=True)
    verdicts = alt.Shape(
        "verdict:N",
        scale=alt.Scale(domain=list(VERDICTS), range=list(VERDICTS.values())),
        legend=legend_of(list(VERDICTS), title="verdict"),
    )
    named, unit = " or ".join(sorted(set(frame["arm"]))), metric.difference_unit
    first, last = (named, "baseline") if metric.maximize else ("baseline", named)
    rows = _within(rows, metric.factor * margin)
    apart = _apart(rows, metric.factor * margin)
    units = [f"minus {last}", f"({unit}, scales differ)"] if apart else [f"minus {last} ({unit})"]
    at, title = x_of(rows, x), [first, *units]
    signed = alt.Axis(labelExpr="datum.value ? format(datum.value, '+~r') : '0'")
    tooltip = [
        alt.Tooltip("arm:N", title="baseline"),
        place_tooltip(x),
        alt.Tooltip("text:N", title=f"gap [interval] in {unit}"),
        alt.Tooltip("n:Q", title="pairs"),
        alt.Tooltip("verdict:N"),
    ]
    layers = [
        alt.Chart().mark_rule().encode(y=alt.datum(0)),
        *(reference(y=alt.datum(side * metric.factor * margin)) for side in (-1, 1)),
        bars(look, xOffset=DODGED).encode(
            x=at, y=y_of("low", title, axis=signed), y2="high:Q", tooltip=tooltip
        ),
        *(
            open_end(end, look, at, y_of(end, title, axis=signed))
            for end in ("low", "high")
            if rows[f"{end}_open"].any()
        ),
        *shaped_points(
            look, verdicts, arms, x=at, y=y_of("mean", title, axis=signed), tooltip=tooltip
        ),
    ]
    columns = [x, "n", "verdict", "low_open", "high_open"]
    chart = view(layers, rows, columns, facet, HEIGHT)
    return chart.resolve_scale(y="independent") if apart else chart


def _within(rows: pd.DataFrame, margin: float) -> pd.DataFrame:
    """Rows cut where their gaps go far beyond the others of their panel, with low_open, high_open.

    A mean beyond the cut is missing. Arguments as for `_apart`.
    """
    reach = rows[["mean", "low", "high"]].abs().max(axis=1).clip(lower=margin)
    middle = reach.groupby(rows["panel"]).transform("median")
    usual = reach.where(reach <= OUTLYING * middle).groupby(rows["panel"]).transform("max")
    limit = (ROOM * usual).where(reach > OUTLYING * middle, np.inf)
    return rows.assign(
        mean=rows["mean"].where(rows["mean"].abs() < limit),
        low=rows["low"].clip(lower=-limit),
        high=rows["high"].clip(upper=limit),
        low_open=rows["low"] < -limit,
        high_open=rows["high"] > limit,
    )


def _apart(rows: pd.DataFrame, margin: float) -> bool:
    """Whether the spans of panels, from the lowest to the highest mark, are far apart.

    Args:
        rows: With a column panel and, in the units that are shown, mean, low and high.
        margin: In these units; its lines are marks as well.
    """
    lows, highs = (rows[end].fillna(rows["mean"]).groupby(rows["panel"]) for end in ("low", "high"))
    spans = highs.max().clip(lower=margin) - lows.min().clip(upper=-margin)
    return bool(spans.max() > APART * spans.min())


def _beside(rows: pd.DataFrame, x: str) -> pd.DataFrame:
    """Rows without offset if each arm has its own place on the axis."""
    return rows.assign(dodge=0) if x in ("arm", "baseline") else rows
