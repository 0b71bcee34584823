"""Accuracy with running and with re-estimated statistics of batch norm."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from superconv_ray.report import theme
from superconv_ray.report.charts.parts import (
    PERCENT,
    arm_encodings,
    arm_rows,
    inline,
    layered,
    points,
)

HEIGHT = 300
ROOM = 2.0
"""Points of accuracy around the marks."""


def batch_norm(frame: pd.DataFrame, arms: Sequence[str]) -> alt.LayerChart | alt.FacetChart:
    """A point for each training; above the diagonal, re-estimated statistics are better.

    Args:
        frame: From `running_and_reestimated`: arm, seed, labels, running, reestimated.
        arms: The study's arms.
    """
    rows = arm_rows(frame, arms)
    kinds = ["running", "reestimated"]
    rows = rows.assign(**{kind: PERCENT * rows[kind] for kind in kinds})
    shown = rows[kinds].to_numpy(np.float64)
    ends = [shown.min() - ROOM, shown.max() + ROOM] if len(rows) else []
    labels = "/".join(sorted(set(rows["labels"])))
    scale = alt.Scale(domain=ends, nice=False) if ends else alt.Scale()
    spaced = alt.Axis(labelOverlap="greedy", labelSeparation=6)
    x, y = (
        axis(f"{kind}:Q", title=title, scale=scale, axis=spaced)
        for axis, kind, title in (
            (alt.X, "running", f"{labels} accuracy (%), running statistics"),
            (alt.Y, "reestimated", [f"{labels} accuracy (%),", "re-estimated statistics"]),
        )
    )
    tooltip = [
        alt.Tooltip("arm:N"),
        alt.Tooltip("seed:Q"),
        alt.Tooltip("running:Q", title="running statistics (%)", format=".1f"),
        alt.Tooltip("reestimated:Q", title="re-estimated (%)", format=".1f"),
    ]
    look = arm_encodings(arms, rows["arm"])
    diagonal = alt.Chart(inline(pd.DataFrame(dict.fromkeys(kinds, ends))))
    drawn = inline(rows[["arm", "seed", *kinds]])
    return layered(
        diagonal.mark_line(style="reference").encode(x=x, y=y),
        points(look, opacity=0.8).encode(x=x, y=y, tooltip=tooltip).properties(data=drawn),
        width=theme.WIDTH,
        height=HEIGHT,
    )
