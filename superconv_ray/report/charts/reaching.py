"""Steps or labels that an arm saves, and errors over labels."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from superconv_ray.design.metrics import ACCURACY
from superconv_ray.report import theme
from superconv_ray.report.charts.log_axes import above_zero, log_axis, log_ticks, log_y
from superconv_ray.report.charts.parts import (
    DODGED,
    arm_encodings,
    arm_rows,
    band,
    bars,
    drawn,
    in_units,
    interval_texts,
    layered,
    legend_of,
    line,
    open_end,
    place_tooltip,
    points,
    reference,
    shaped_points,
    view,
    x_of,
)

HEIGHT = 260
REACHED = {"": "reached", ">": "at least", "<": "at most"}
"""Meaning of a factor, by the column censored."""
SHAPE_OF = {"reached": "circle", "at least": "triangle-up", "at most": "triangle-down"}
ROOM = 1.15
"""Factor between the outermost mark and the end of the axis, where unbounded intervals end."""


def speedup(
    frame: pd.DataFrame,
    arms: Sequence[str],
    x: str = "steps",
    facet: Sequence[str] = (),
    enough: float | None = None,
) -> alt.LayerChart | alt.FacetChart:
    """Factor by which a baseline needs more to match the arm; arrows mark bounds.

    Args:
        frame: From `speedup` or `label_worth`, or of `time_to_accuracy` with a column baseline.
        arms: The study's arms; a factor has the color of its baseline.
        x: Column of the axis; "baseline" if there is one factor for each.
        facet: Columns with a panel for each combination of their values.
        enough: Factor at which to draw a dashed line.
    """
    rows = frame[frame["factor"].notna()]
    marked = [1.0] if enough is None else [1.0, enough]
    known = pd.concat([rows["factor"], rows["low"], rows["high"], pd.Series(marked)])
    known = known[np.isfinite(known) & (known > 0)]
    ends = known.min() / ROOM, known.max() * ROOM
    rows = arm_rows(rows.assign(arm=rows["baseline"]), arms, facet)
    rows = rows.assign(
        dodge=0.0 if x == "baseline" else rows["dodge"],
        reached=rows["censored"].map(REACHED),
        text=rows["censored"] + pd.Series(interval_texts(rows, ".3g", "factor"), rows.index),
        low_open=rows["low"].eq(0),
        high_open=np.isinf(rows["high"]),
        low=rows["low"].clip(lower=ends[0]),
        high=rows["high"].clip(upper=ends[1]),
    )
    at, unit = x_of(rows, x), "labels" if "baseline_labels" in frame else "steps"
    scale = alt.Scale(type="log", domain=list(ends), nice=False)
    heights = {
        column: alt.Y(
            f"{column}:Q",
            title=f"factor in {unit} (log scale)",
            scale=scale,
            axis=log_axis(log_ticks(known)),
        )
        for column in ("low", "high", "factor")
    }
    tooltip = [
        alt.Tooltip("arm:N", title="baseline"),
        place_tooltip(x),
        alt.Tooltip("text:N", title=f"factor [95 % interval] in {unit}"),
        alt.Tooltip("seeds:Q"),
        alt.Tooltip("note:N"),
    ]
    look = arm_encodings(arms, rows["arm"], title="baseline", lines=True)
    kinds = [kind for kind in REACHED.values() if kind in set(rows["reached"])]
    shape = alt.Shape(
        "reached:N",
        title=None,
        scale=alt.Scale(domain=kinds, range=[SHAPE_OF[kind] for kind in kinds]),
        legend=legend_of(kinds) if len(kinds) > 1 else None,
    )
    layers = [
        alt.Chart().mark_rule().encode(y=alt.datum(1.0)),
        *([] if enough is None else [reference(y=alt.datum(enough))]),
        bars(look, xOffset=DODGED).encode(x=at, y=heights["low"], y2="high:Q", tooltip=tooltip),
        *(open_end(end, look, at, heights[end]) for end in ("low", "high")),
        *shaped_points(look, shape, arms, x=at, y=heights["factor"], tooltip=tooltip),
    ]
    columns = [x, "factor", "reached", "seeds", "note", "low_open", "high_open"]
    return view(layers, rows, columns, facet, HEIGHT)


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
    return layered(
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
