"""Curvature at the end of trainings against their training loss."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from superconv_ray.report import theme
from superconv_ray.report.charts.log_axes import log_x, log_y
from superconv_ray.report.charts.parts import (
    arm_encodings,
    arm_rows,
    inline,
    place_tooltip,
    points,
    stacked,
)

HEIGHT = 240
CURVATURE_NAMES = {
    "hessian_max": "largest eigenvalue of the Hessian",
    "hessian_max_relative": "the same, for relative changes",
}
"""Names of the measures of `flatness`, in the order of their panels."""


def flatness(frame: pd.DataFrame, arms: Sequence[str], by: Sequence[str] = ()) -> alt.VConcatChart:
    """A point for each training; of two at equal loss, the lower one ended in a flatter minimum.

    Losses and curvatures that are not above 0 are left out, as no logarithm shows them.

    Args:
        frame: From `analysis.flatness`: `by`, arm, seed, train_loss, measure, curvature.
        arms: The study's arms.
        by: Columns that distinguish points, for tooltips.
    """
    rows = arm_rows(frame[(frame["train_loss"] > 0) & (frame["curvature"] > 0)], arms)
    return stacked(
        *(
            _panel(rows[rows["measure"] == measure], measure, arms, by, first=i == 0)
            for i, measure in enumerate(CURVATURE_NAMES)
        )
    )


def _panel(
    rows: pd.DataFrame, measure: str, arms: Sequence[str], by: Sequence[str], *, first: bool
) -> alt.Chart:
    """One measure; the first panel has the legend."""
    tooltip = [
        alt.Tooltip("arm:N"),
        alt.Tooltip("seed:Q"),
        *map(place_tooltip, by),
        alt.Tooltip("train_loss:Q", title="training loss", format=".3g"),
        alt.Tooltip("curvature:Q", format=".3g"),
    ]
    look = arm_encodings(arms, rows["arm"], legend=first)
    marks = points(look, opacity=0.8).encode(
        x=log_x("train_loss", "training loss at the end (log scale)", rows["train_loss"]),
        y=log_y("curvature", [CURVATURE_NAMES[measure], "(log scale)"], rows["curvature"]),
        tooltip=tooltip,
    )
    drawn = inline(rows[[*by, "arm", "seed", "train_loss", "curvature"]])
    panel: alt.Chart = marks.properties(data=drawn, width=theme.WIDTH, height=HEIGHT)
    return panel
