"""Analyses of budgets that take one baseline at a time, for all baselines of a study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from superconv_ray.analysis.long_runs import FEWER_TIMES
from superconv_ray.design.schedules import CYCLES, POLICIES

if TYPE_CHECKING:
    from superconv_ray.report.study_results import StudyResults


def compares_budgets(results: StudyResults) -> bool:
    """Whether a study has a baseline, and sweeps its budget alone or with other settings.

    With the batch size, equal steps are not equal budgets.
    """
    swept = results.budget_axis is not None and "batch_size" not in results.axes
    return swept and len(results.arms) > 1


def asks_about_super_convergence(results: StudyResults) -> bool:
    """Whether a study compares a short cycle with a much longer usual schedule.

    Super-convergence is that comparison (arXiv 1708.07120v3, figure 1), so a study is about it if

    - its longest budget is at least `FEWER_TIMES` its shortest;
    - its first arm cycles the learning rate, and a baseline has another policy that does not. The
      user's own policies may do either.

    Whether one setting of 1cycle needs fewer steps than another is a question of speed only.
    """
    if not compares_budgets(results):
        return False
    budgets = results.trainings[results.budget_axis]
    policies = results.trainings.groupby("arm")["policy"].agg(set)
    first, *others = (policies[arm] for arm in results.arms)
    cycles = any(policy in CYCLES or policy not in POLICIES for policy in first)
    usual = set().union(*others) - first - CYCLES
    return budgets.max() >= FEWER_TIMES * budgets.min() and cycles and bool(usual)


def against_baselines(
    results: StudyResults, analysis: Callable[..., pd.DataFrame], by: Sequence[str]
) -> pd.DataFrame:
    """What `time_to_accuracy` or `factor_trend` says of the first arm, and a column baseline.

    All intervals of the table hold together.

    Returns:
        Empty unless the study is one of `asks_about_super_convergence`.
    """
    if not asks_about_super_convergence(results):
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
