"""How a study's sweep is laid out in charts: one setting along x, the others as facets."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from superconv_ray.report.study_results import StudyResults

ALONG_X = ("data_count", "steps", "batch_size", "max_lr", "weight_decay", "dropout")
"""Settings that are drawn along x where they are swept, the first of them first."""
MOST_FACETS = 8
"""More panels than these are not looked at any more; the frame has them all."""


def along_x(results: StudyResults, otherwise: str) -> str:
    """The column along x; `otherwise` where nothing is swept."""
    axes = results.axes
    return next((axis for axis in ALONG_X if axis in axes), axes[0] if axes else otherwise)


def fits(frame: pd.DataFrame, facet: Sequence[str]) -> bool:
    """Whether a chart with a panel for each combination of these columns can be looked at."""
    return not facet or len(frame[list(facet)].map(str).drop_duplicates()) <= MOST_FACETS
