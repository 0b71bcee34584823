"""Speed-up: how many more steps the baseline needs for the same final accuracy.

A budget is an axis of the design, and schedules are stretched to it. Only final accuracies are
compared: a run's accuracy on the way, at a learning rate that has yet to fall, says nothing of what
a schedule can do in that many steps.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from superconv_ray.analysis.reach.table import reach_table
from superconv_ray.analysis.statistics.intervals import CONFIDENCE


def speedup(
    trials: pd.DataFrame,
    arm: str,
    baseline: str,
    by: Sequence[str] = (),
    value: str = "test_accuracy",
    *,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> pd.DataFrame:
    """The factor by which the baseline needs more steps for the accuracy that the arm ends with.

    Args:
        trials: As from ``open_store(...).trials(study)``, of a study that sweeps its budget.
        arm: Name of the arm.
        baseline: Name of the arm that it is measured against.
        by: Columns that tell curves apart, such as ``["data_count"]``.
        value: Column of final accuracies.
        seed: Of the redrawn means.
        confidence: Coverage of the intervals, in (0, 1).

    Returns:
        One row a budget of the arm; columns: `by`, steps, mean, baseline_steps, factor, low, high,
        censored, seeds, note, as described at `reach_table`. A factor above 1 is a speed-up.

    Raises:
        ValueError: As `reach_table`.
    """
    table = reach_table(trials, arm, baseline, "steps", by, value, seed=seed, confidence=confidence)
    return table.rename(columns={"reached_at": "baseline_steps"})


def label_worth(
    trials: pd.DataFrame,
    arm: str,
    baseline: str,
    by: Sequence[str] = (),
    value: str = "test_accuracy",
    *,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> pd.DataFrame:
    """How many labels the baseline needs for the accuracy that the arm has with n.

    Args:
        trials: As from ``open_store(...).trials(study)``, of a study that sweeps its labels.
        arm: Name of the arm.
        baseline: Name of the arm that is to catch up.
        by: Columns that tell curves apart.
        value: Column to reach; more must be better.
        seed: Of the redrawn means.
        confidence: Coverage of the intervals, in (0, 1).

    Returns:
        One row an n of the arm; columns: `by`, data_count, mean, baseline_labels, factor, low,
        high, censored, seeds, note, as described at `reach_table`. With factor 2 the arm makes of n
        labels what the baseline makes of 2 n.

    Raises:
        ValueError: As `reach_table`.
    """
    table = reach_table(
        trials, arm, baseline, "data_count", by, value, seed=seed, confidence=confidence
    )
    return table.rename(columns={"reached_at": "baseline_labels"})
