"""Layout of a sweep in charts: one setting along x, the others as panels."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from superconv_ray.report.study_results import StudyResults

ALONG_X = ("data_count", "steps", "batch_size", "max_lr", "weight_decay", "dropout")
"""Settings to draw along x if they are swept, in order of preference."""
MOST_FACETS = 8
"""Largest number of panels in a chart; the frame has all rows."""


def along_x(results: StudyResults, otherwise: str) -> str:
    """The column along x; `otherwise` if nothing is swept."""
    axes = results.axes
    return next((axis for axis in ALONG_X if axis in axes), axes[0] if axes else otherwise)


def fits(frame: pd.DataFrame, facet: Sequence[str]) -> bool:
    """Whether a chart with a panel for each combination of these columns is readable."""
    return not facet or len(frame[list(facet)].map(str).drop_duplicates()) <= MOST_FACETS
