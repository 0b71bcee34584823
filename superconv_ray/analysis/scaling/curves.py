"""Errors along the number of labels, and intervals of what is estimated from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from superconv_ray.analysis.frames import metric_in
from superconv_ray.analysis.statistics.intervals import TAILS, Floats
from superconv_ray.analysis.statistics.replicates import ReplicateCurve, arm_curves

LABELS = "data_count"


def error_curves(
    trials: pd.DataFrame, arms: Sequence[str], by: Sequence[str], value: str
) -> Iterator[tuple[tuple[object, ...], dict[str, ReplicateCurve]]]:
    """As `arm_curves`, along labels, with errors (1 - accuracy) as values."""
    metric = metric_in(trials, value)
    if value.endswith("metric") and not metric.share:
        raise ValueError(
            f"{value} must be a share, such as accuracy: the law is of errors that end at 100 %, "
            f"and {metric.label} has no such end"
        )
    for key, curves in arm_curves(trials, arms, LABELS, by, value):
        for arm, curve in curves.items():
            least, most = np.nanmin(curve.values), np.nanmax(curve.values)
            if least < 0 or most > 1:
                raise ValueError(
                    f"{value} must be an accuracy, in [0, 1], got {least} to {most} of arm {arm!r}"
                )
        yield key, {arm: replace(curve, values=1 - curve.values) for arm, curve in curves.items()}


def intervals(values: Floats, certain: bool) -> Floats:
    """Estimate, low and high [n, 3] of values [n, 1 + draws]; both ends NaN unless `certain`."""
    low, high = np.quantile(values[:, 1:], TAILS, axis=1) if certain else [np.nan, np.nan]
    return np.stack(np.broadcast_arrays(values[:, 0], low, high), axis=1)
