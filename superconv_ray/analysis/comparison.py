"""Comparing arms: means with intervals, and gaps paired by seed. Frames in, frames out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A mean and its confidence interval; the ends are NaN where one value says nothing of them."""

    mean: float
    low: float
    high: float
    n: int


def mean_interval(values: npt.ArrayLike, confidence: float = CONFIDENCE) -> Interval:
    """Student's t interval of the mean.

    Args:
        values: Shape [n], one value a replicate; NaN is not allowed.
        confidence: Coverage, in (0, 1).

    Raises:
        ValueError: No values, or one of them is NaN.
    """
    array = np.asarray(values, dtype=np.float64)
    if not len(array) or np.isnan(array).any():
        raise ValueError(f"mean_interval needs at least one value and no NaN, got {array}")
    mean, n = float(array.mean()), len(array)
    if n == 1:
        return Interval(mean, math.nan, math.nan, 1)
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1) * array.std(ddof=1) / math.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)


def arm_summary(
    trials: pd.DataFrame, by: Sequence[str] = (), value: str = "test_accuracy"
) -> pd.DataFrame:
    """Mean and interval of every arm at every point.

    Args:
        trials: As from ``open_store(...).trials(study)``. Trainings count, range tests do not; a
            diverged training counts with what it measured, so that no arm gains by losing runs.
        by: Columns that tell points apart, such as ``["data_count"]``.
        value: Column to average.

    Returns:
        Columns: `by`, arm, mean, low, high, n, diverged.
    """
    rows = []
    for key, group in _trainings(trials).groupby([*by, "arm"], sort=False):
        interval = mean_interval(group[value])
        diverged = int((group["status"] == "diverged").sum())
        rows.append((*key, *interval, diverged))
    columns = [*by, "arm", *Interval._fields, "diverged"]
    return pd.DataFrame(rows, columns=columns).sort_values([*by, "arm"], ignore_index=True)


def paired_gap(
    trials: pd.DataFrame,
    arm: str,
    baseline: str,
    by: Sequence[str] = (),
    value: str = "test_accuracy",
) -> pd.DataFrame:
    """By how much an arm exceeds a baseline, run by run with the same seed and the same subset.

    Args:
        trials: As for `arm_summary`.
        arm: Name of the arm.
        baseline: Name of the arm it is compared with.
        by: Columns that tell points apart.
        value: Column to compare.

    Returns:
        Columns: `by`, mean, low, high, n (pairs). Runs without a partner do not count.

    Raises:
        ValueError: One of the arms has no training.
    """
    trainings = _trainings(trials)
    for name in (arm, baseline):
        if name not in set(trainings["arm"]):
            known = ", ".join(map(repr, sorted(set(trainings["arm"])))) or "none"
            raise ValueError(f"no finished training of arm {name!r}; there are: {known}")
    pair = [*by, "seed", "subset_seed"]
    of_arm, of_baseline = (
        trainings[trainings["arm"] == name].set_index(pair)[value] for name in (arm, baseline)
    )
    gaps = (of_arm - of_baseline).dropna().rename("gap").reset_index()
    groups = gaps.groupby(list(by), sort=True) if by else [((), gaps)]
    rows = [(*key, *mean_interval(group["gap"])) for key, group in groups]
    return pd.DataFrame(rows, columns=[*by, *Interval._fields])


def _trainings(trials: pd.DataFrame) -> pd.DataFrame:
    return trials[trials["role"] == "training"]
