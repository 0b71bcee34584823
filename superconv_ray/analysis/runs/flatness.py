"""How flat the minima are in which trainings end, next to the loss they have there."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from superconv_ray.analysis.frames import finished_trainings

CURVATURES = ("hessian_max", "hessian_max_relative")
"""Columns of the trials; see `training.sharpness`."""


def flatness(trials: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """Curvature of the training loss at the end of every training, and the loss itself.

    The curvature of cross-entropy falls with the loss. So arms are comparable where their losses
    are equal: an arm that has only trained further looks flatter.

    Args:
        trials: As from ``open_store(...).trials(study)``; trainings with ``sharpness=True`` count.
        by: Further columns to return.

    Returns:
        Columns: `by`, arm, trial_id, seed, train_loss, measure (of `CURVATURES`), curvature. A
        diverged training, which has no minimum, has no row.

    Raises:
        TypeError: `trials` is no frame.
        ValueError: A column is missing.
    """
    trainings = finished_trainings(trials, by, "steps_done")
    kept = [*by, "arm", "trial_id", "seed", "train_loss"]
    long = trainings.melt(kept, CURVATURES, "measure", "curvature")
    return long.dropna(subset=["train_loss", "curvature"]).reset_index(drop=True)
