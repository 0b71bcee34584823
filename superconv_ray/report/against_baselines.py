"""Analyses of budgets that take one baseline at a time, for all baselines of a study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from superconv_ray.report.study_results import StudyResults


def against_baselines(
    results: StudyResults, analysis: Callable[..., pd.DataFrame], by: Sequence[str]
) -> pd.DataFrame:
    """What `time_to_accuracy` or `factor_trend` says of the first arm, and a column baseline.

    All intervals of the table hold together.

    Returns:
        Empty if the study does not sweep its budget alone or with labels and settings of trainings,
        or has one arm.
    """
    if results.budget_axis is None or "batch_size" in results.axes or len(results.arms) < 2:
        return pd.DataFrame()
    arm, *baselines = results.arms
    family = rows_against_baselines(results, by)
    parts = [
        analysis(results.trainings, arm, name, by, results.value, family=family)
        for name in baselines
    ]
    named = [part.assign(baseline=name) for part, name in zip(parts, baselines, strict=True)]
    return pd.concat(named, ignore_index=True)


def rows_against_baselines(results: StudyResults, by: Sequence[str]) -> int:
    """Number of rows of such a table: points of `by`, times baselines."""
    points = results.trainings[[*by]].astype(str).drop_duplicates() if by else [""]
    return len(points) * (len(results.arms) - 1)
