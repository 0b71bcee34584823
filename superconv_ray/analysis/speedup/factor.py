"""Speed-up: how many more steps the baseline needs for the same final accuracy.

A budget is an axis of the design, and schedules are stretched to it. Only final accuracies are
compared: a run's accuracy on the way, at a learning rate that has yet to fall, says nothing of what
a schedule can do in that many steps.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from superconv_ray.analysis.comparison.gaps import arm_summary
from superconv_ray.analysis.speedup.reach import reach_table
from superconv_ray.analysis.statistics.intervals import CONFIDENCE


def budget_curve(
    trials: pd.DataFrame, by: Sequence[str] = (), value: str = "test_accuracy"
) -> pd.DataFrame:
    """Final accuracy of every arm at every budget, with intervals.

    Args:
        trials: As from ``open_store(...).trials(study)``.
        by: Columns that tell curves apart, such as ``["data_count"]``.
        value: Column to average.

    Returns:
        Columns: `by`, steps, arm, mean, low, high, n, diverged (`arm_summary`).

    Raises:
        ValueError: As `arm_summary`.
    """
    return arm_summary(trials, [*by, "steps"], value)


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
