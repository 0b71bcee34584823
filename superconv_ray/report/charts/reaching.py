"""Steps or labels that an arm saves, and errors over labels."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from superconv_ray.design.metrics import ACCURACY
from superconv_ray.design.text import column_name
from superconv_ray.report import theme
from superconv_ray.report.charts.parts import (
    DODGED,
    above_zero,
    arm_encodings,
    arm_rows,
    band,
    bars,
    drawn,
    in_units,
    interval_texts,
    legend_of,
    line,
    log_axis,
    log_ticks,
    log_y,
    panels,
    place_tooltip,
    points,
    reference,
    view,
    x_of,
)

HEIGHT = 260
REACHED = {"": "reached", ">": "at least", "<": "at most"}
"""Meaning of a factor, by the column censored."""
ROOM = 1.15
"""Factor between the outermost mark and the end of the axis, where unbounded intervals end."""


def speedup(
    frame: pd.DataFrame, x: str = "steps", facet: Sequence[str] = ()
) -> alt.LayerChart | alt.FacetChart:
    """Factor by which a baseline needs more to match the arm; triangles are bounds.

    Args:
        frame: From `speedup`, or from `label_worth` with x="data_count".
        x: Column of the axis.
        facet: Columns with a panel for each combination of their values.
    """
    rows = frame[frame["factor"].notna()]
    known = pd.concat([rows["factor"], rows["low"], rows["high"], pd.Series([1.0])])
    known = known[np.isfinite(known) & (known > 0)]
    ends = known.min() / ROOM, known.max() * ROOM
    rows = rows.assign(
        panel=panels(rows, facet),
        reached=rows["censored"].map(REACHED),
        told=rows["censored"] + pd.Series(interval_texts(rows, ".3g", "factor"), rows.index),
        low=rows["low"].clip(lower=ends[0]),
        high=rows["high"].clip(upper=ends[1]),
    )
    unit = column_name(x)
    title = f"factor in {unit} (log scale)"
    scale = alt.Scale(type="log", domain=list(ends), nice=False)
    axis = log_axis(log_ticks(known))
    at, low, factor = (
        x_of(rows, x),
        *(alt.Y(f"{c}:Q", title=title, scale=scale, axis=axis) for c in ("low", "factor")),
    )
    tooltip = [
        place_tooltip(x),
        alt.Tooltip("told:N", title=f"factor [95 % interval] in {unit}"),
        alt.Tooltip("seeds:Q"),
        alt.Tooltip("note:N"),
    ]
    kinds = list(REACHED.values())
    shapes = alt.Scale(domain=kinds, range=["circle", "triangle-up", "triangle-down"])
    layers = [
        reference(y=alt.datum(1.0)),
        alt.Chart()
        .mark_rule(color=theme.BLUE, strokeWidth=1.5)
        .encode(x=at, y=low, y2="high:Q", tooltip=tooltip),
        alt.Chart()
        .mark_point(color=theme.BLUE, filled=True, size=80, opacity=1)
        .encode(
            x=at,
            y=factor,
            shape=alt.Shape("reached:N", title=None, scale=shapes, legend=legend_of(kinds)),
            tooltip=tooltip,
        ),
    ]
    return view(layers, rows, [x, "factor", "reached", "told", "seeds", "note"], facet, HEIGHT)


def scaling(
    frame: pd.DataFrame, bands: pd.DataFrame, arms: Sequence[str]
) -> alt.LayerChart | alt.FacetChart:
    """Errors over labels on logarithmic axes, with fitted power laws.

    Args:
        frame: From `arm_summary`, of accuracies by data_count.
        bands: From `scaling_band`; an arm without a fit has no rows.
        arms: The study's arms.
    """
    rows = arm_rows(frame, arms)
    rows["dodge"] /= 3  # close to their curves
    error = {"mean": 1 - rows["mean"], "low": 1 - rows["high"], "high": 1 - rows["low"]}
    # Text to three digits, because errors may be small.
    rows = above_zero(in_units(rows.assign(**error), ACCURACY, form=".3g"))
    laws = above_zero(in_units(bands.rename(columns={"error": "mean"}), ACCURACY, form=".3g"))
    look, at = arm_encodings(arms, rows["arm"]), x_of(rows, "data_count")
    shown = pd.concat([rows["mean"], rows["low"], rows["high"]]).dropna()
    low, mean = (log_y(end, "error (%, log scale)", shown) for end in ("low", "mean"))
    tooltip = [
        alt.Tooltip("arm:N"),
        place_tooltip("data_count"),
        alt.Tooltip("text:N", title="error [95 % interval] in %"),
    ]
    fitted, measured = drawn(laws, ["data_count"]), drawn(rows, ["data_count"])
    return alt.layer(
        band(look).encode(x=at, y=low, y2="high:Q").properties(data=fitted),
        line(look).encode(x=at, y=mean, tooltip=tooltip).properties(data=fitted),
        bars(look, xOffset=DODGED)
        .encode(x=at, y=low, y2="high:Q", tooltip=tooltip)
        .properties(data=measured),
        points(look, xOffset=DODGED)
        .encode(x=at, y=mean, tooltip=tooltip)
        .properties(data=measured),
        width=theme.WIDTH,
        height=HEIGHT,
    )
