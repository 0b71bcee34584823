"""How a study's sweep is laid out in charts: one setting along x, the others as facets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import altair as alt
import pandas as pd

from superconv_ray.report.verdict import place
from superconv_ray.results import StudyResults

ALONG_X = ("data_count", "steps", "batch_size", "max_lr", "weight_decay", "dropout")
"""Settings that are drawn along x where they are swept, the first of them first."""
FACET = "setting"
"""Column that tells facets apart: the settings that are not along x, in words."""
MOST_FACETS = 8


def point_axis(results: StudyResults, otherwise: str) -> tuple[str, list[str]]:
    """The column along x, and those that are left for facets; `otherwise` if nothing is swept."""
    axes = results.axes
    x = next((axis for axis in ALONG_X if axis in axes), axes[0] if axes else otherwise)
    return x, [axis for axis in axes if axis != x]


def faceted(
    results: StudyResults,
    frame: pd.DataFrame,
    x: str,
    others: list[str],
    draw: Callable[..., alt.TopLevelMixin],
) -> alt.TopLevelMixin | None:
    """A chart over x with a facet for each combination of the others; None if they are too many."""
    arms = list(results.definition["arms"])
    if not others:
        return draw(frame, arms, x=x)
    told = with_setting(frame, others)
    if told[FACET].nunique() > MOST_FACETS:
        return None
    return draw(told, arms, x=x, facet=FACET)


def with_setting(frame: pd.DataFrame, others: list[str]) -> pd.DataFrame:
    """The frame with the facets' column."""
    rows: list[Any] = frame.to_dict("records")
    return frame.assign(**{FACET: [place(row, others) for row in rows]})
