"""What a step took, to make budgets of time from. Frames in, frames out."""

from __future__ import annotations

import pandas as pd


def step_seconds(trials: pd.DataFrame) -> dict[int, float]:
    """Median training time of an optimiser step for every batch size, for `study.seconds`.

    Args:
        trials: As from ``open_store(...).trials(study)``: of one model, data shape and hardware.

    Returns:
        Batch size -> seconds, evaluations not included.

    Raises:
        ValueError: There is no trial, or there are several models or devices, whose times differ.
    """
    for name in ("model", "device"):
        if trials[name].nunique() != 1:
            raise ValueError(
                f"trials must be of one {name}, got {sorted(trials[name].unique())}: "
                "choose one, as in trials[trials.model == ...]"
            )
    each = trials["train_seconds"] / trials["steps_done"]
    return {int(size): float(s) for size, s in each.groupby(trials["batch_size"]).median().items()}  # type: ignore[call-overload]
