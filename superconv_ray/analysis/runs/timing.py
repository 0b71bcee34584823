"""Times of an optimizer step, for budgets in seconds."""

from __future__ import annotations

import pandas as pd

from superconv_ray.analysis.frames import require_columns


def step_seconds(trials: pd.DataFrame) -> dict[int, float]:
    """Median training time of an optimizer step for every batch size, for a budget in `seconds`.

    Args:
        trials: As from ``open_store(...).trials(study)``, of one model, data shape and device.

    Returns:
        Batch size -> seconds, without evaluations.

    Raises:
        TypeError: `trials` is no frame.
        ValueError: A column is missing; there is no trial; or trials have several models or
            devices, whose times differ.
    """
    require_columns(trials, ["model", "device", "batch_size", "train_seconds", "steps_done"])
    for name in ("model", "device"):
        if trials[name].nunique() != 1:
            raise ValueError(
                f"trials must be of one {name}, got {sorted(trials[name].unique())}: "
                "choose one, as in trials[trials.model == ...]"
            )
    each = trials["train_seconds"] / trials["steps_done"]
    return {int(size): float(s) for size, s in each.groupby(trials["batch_size"]).median().items()}  # type: ignore[call-overload]
