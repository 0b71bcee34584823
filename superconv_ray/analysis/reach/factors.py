"""Speed-up and worth of labels: factors by which a baseline needs more for the same accuracy."""

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
    """Factor by which the baseline needs more steps to reach the arm's final accuracy.

    The budget is an axis of the design, and schedules are stretched to it. Only final accuracies
    are compared: while the learning rate is still large, the accuracy of a longer run does not show
    what a schedule can reach in that many steps.

    Args:
        trials: As from ``open_store(...).trials(study)``, of a study that sweeps its budget.
        arm: Name of the arm.
        baseline: Name of the arm to measure it against.
        by: Columns that distinguish curves, such as ``["data_count"]``.
        value: Column of final accuracies.
        seed: Seed of the redrawn means.
        confidence: Coverage of the intervals, in (0, 1).

    Returns:
        One row per budget of the arm. Columns: `by`, steps, mean, baseline_steps, factor, low,
        high, censored, seeds, note, as described at `reach_table`. A factor above 1 is a speed-up.

    Raises:
        TypeError: `trials` is no frame.
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
    """Number of labels with which the baseline reaches the accuracy of the arm with n labels.

    Args:
        trials: As from ``open_store(...).trials(study)``, of a study that sweeps its labels.
        arm: Name of the arm.
        baseline: Name of the arm to measure it against.
        by: Columns that distinguish curves.
        value: Column to reach; more of it is better.
        seed: Seed of the redrawn means.
        confidence: Coverage of the intervals, in (0, 1).

    Returns:
        One row per n of the arm. Columns: `by`, data_count, mean, baseline_labels, factor, low,
        high, censored, seeds, note, as described at `reach_table`. A factor of 2 means that the
        arm is as accurate with n labels as the baseline with 2 n.

    Raises:
        TypeError: `trials` is no frame.
        ValueError: As `reach_table`.
    """
    table = reach_table(
        trials, arm, baseline, "data_count", by, value, seed=seed, confidence=confidence
    )
    return table.rename(columns={"reached_at": "baseline_labels"})
