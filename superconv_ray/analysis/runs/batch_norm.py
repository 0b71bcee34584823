"""Do accuracies show generalization, or stale running statistics of batch norm?"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from superconv_ray.analysis.frames import finished_trainings

LABELS = ("test", "validation")


def running_and_reestimated(trials: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """Accuracy of every training with running and with re-estimated BN statistics.

    Re-estimated statistics are plain averages over training samples at the evaluated weights. An
    accuracy that is much higher with them was limited by stale running averages, not by poor
    generalization.

    Args:
        trials: As from ``open_store(...).trials(study)``; trainings count, including diverged ones.
        by: Further columns to return.

    Returns:
        Columns: `by`, arm, trial_id, seed, status, labels ("test" or "validation"), running,
        reestimated. A training that lacks one of the two accuracies has no row.

    Raises:
        TypeError: `trials` is no frame.
        ValueError: A column is missing.
    """
    trainings = finished_trainings(trials, by, "steps_done")
    kept = [*by, "arm", "trial_id", "seed", "status"]
    parts = [
        trainings[kept].assign(
            labels=labels,
            running=trainings[f"{labels}_accuracy"],
            reestimated=trainings[f"{labels}_accuracy_reestimated"],
        )
        for labels in LABELS
    ]
    return pd.concat(parts).dropna(subset=["running", "reestimated"]).reset_index(drop=True)
