"""Whether accuracies show generalisation, or averages of batch norm that are stale."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from superconv_ray.analysis.statistics.replicates import finished_trainings

LABELS = ("test", "validation")


def running_and_reestimated(trials: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """Every training's accuracy with running and with re-estimated BN statistics.

    Args:
        trials: As from ``open_store(...).trials(study)``; trainings count, diverged ones too.
        by: Further columns to have.

    Returns:
        Columns: `by`, arm, trial_id, seed, status, labels ("test" or "validation"), running,
        reestimated. A training without both accuracies, as of a model without BN, has no row.

    Raises:
        ValueError: There is no such column.
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
