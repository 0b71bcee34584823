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
        values: Shape [n], one finite value a replicate.
        confidence: Coverage, in (0, 1).

    Raises:
        ValueError: There is no value, one that is not finite, or no such confidence.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not len(array) or not np.isfinite(array).all():
        raise ValueError(f"values must be at least one, and finite, got {array}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence}")
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

    Raises:
        ValueError: A training's `value` is not finite.
    """
    rows = []
    trainings = _trainings(trials, by, value)
    for key, group in trainings.groupby([*by, "arm"], sort=False, dropna=False):
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
        ValueError: One of the arms has no training, or several with the same seed and subset at one
            point: then `by` does not tell the points apart. Or a training's `value` is not finite.
    """
    trainings = _trainings(trials, by, value)
    for name in (arm, baseline):
        if name not in set(trainings["arm"]):
            known = ", ".join(map(repr, sorted(set(trainings["arm"])))) or "none"
            raise ValueError(f"no finished training of arm {name!r}; there are: {known}")
    pair = [*by, "seed", "subset_seed"]
    sides = [trainings[trainings["arm"] == name][[*pair, value]] for name in (arm, baseline)]
    for name, side in zip((arm, baseline), sides, strict=True):
        if side.duplicated(pair).any():
            raise ValueError(
                f"by must tell points apart, but arm {name!r} has several trainings with the same "
                f"{', '.join(pair)}"
            )
    pairs = sides[0].merge(sides[1], on=pair, suffixes=("", "_baseline"))
    pairs["gap"] = pairs[value] - pairs[f"{value}_baseline"]
    groups = pairs.groupby(list(by), dropna=False) if by else [((), pairs)]
    rows = [(*key, *mean_interval(group["gap"])) for key, group in groups if len(group)]
    return pd.DataFrame(rows, columns=[*by, *Interval._fields])


def _trainings(trials: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """Every training once an arm and point, also if cells of the study share it."""
    trainings = trials[trials["role"] == "training"].copy()
    lacking = trainings[~np.isfinite(trainings[value].to_numpy(np.float64, na_value=np.nan))]
    if len(lacking):
        raise ValueError(
            f"{value} must be finite in every training, got {lacking[value].iloc[0]} in trial "
            f"{lacking['trial_id'].iloc[0]} of arm {lacking['arm'].iloc[0]!r}"
        )
    for name in by:
        if trainings[name].dtype == object:  # milestones come from Parquet as arrays
            trainings[name] = trainings[name].map(
                lambda v: tuple(v) if isinstance(v, (list, np.ndarray)) else v
            )
    return trainings.drop_duplicates([*by, "arm", "trial_id"])
