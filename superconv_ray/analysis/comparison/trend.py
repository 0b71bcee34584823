"""Whether a gain grows as labels become scarce: the claim of 1708.07120, section 4.1, as a number.

Intervals at single points cannot tell that: two of them may overlap although every seed's gap
grows, and a gain that is certain at few labels and uncertain at many need not have grown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd

from superconv_ray.analysis.comparison.gaps import paired_runs
from superconv_ray.analysis.statistics.intervals import CONFIDENCE, Interval, mean_interval
from superconv_ray.analysis.statistics.replicates import REPLICATE

GROWS = "grows"
FALLS = "falls"
UNDECIDED = "undecided"


def gap_trend(
    trials: pd.DataFrame,
    arm: str,
    baseline: str | Sequence[str],
    over: str = "data_count",
    by: Sequence[str] = (),
    value: str = "test_accuracy",
    *,
    confidence: float = CONFIDENCE,
) -> pd.DataFrame:
    """By how much an arm's paired gap grows when labels become ten times fewer.

    Each replicate (seed and subset) has a least-squares line of its gap over log10(`over`); its
    falling slope is averaged over replicates, with a t interval. A replicate that lacks a point
    that others have is left out, as its slope would be of other points.

    Args:
        trials: As from ``open_store(...).trials(study)``; trainings count.
        arm: Name of the arm.
        baseline: Name, or names, of the arms it is compared with.
        over: Column of numbers > 0 that the gap is followed over.
        by: Columns that tell curves apart.
        value: Column to compare; more of it is better.
        confidence: Coverage of the intervals.

    Returns:
        One row a curve and baseline; columns: `by`, arm, baseline, mean, low, high, n (replicates),
        points (distinct values of `over`), verdict ("grows" if the interval lies above 0, "falls"
        below, else "undecided"), note. In units of `value` for each tenth.

    Raises:
        ValueError: As `paired_gap`; or `over` is not > 0 throughout.
    """
    names = [baseline] if isinstance(baseline, str) else list(baseline)
    points, runs = paired_runs(trials, arm, names, [*by, over], value)
    if not (points[over].astype(float) > 0).all():
        raise ValueError(f"{over} must be > 0 to be seen over its logarithm")
    gaps = runs.dropna(subset="gap").join(points, on="point")
    rows: list[tuple[object, ...]] = []
    for place, curves in gaps.groupby([*by, "rank"], dropna=False):
        *key, rank = cast("tuple[Any, ...]", place)
        table = curves.pivot_table(index=REPLICATE, columns=over, values="gap").dropna()
        left_out = curves.groupby(REPLICATE).ngroups - len(table)
        found = _growth(table, confidence)
        note = _note(table, left_out, over)
        rows.append((*key, arm, names[rank], *found, table.shape[1], _verdict(found), note))
    columns = [*by, "arm", "baseline", *Interval._fields, "points", "verdict", "note"]
    return pd.DataFrame(rows, columns=columns)


def _growth(gaps: pd.DataFrame, confidence: float) -> Interval:
    """Mean growth for each tenth; of gaps [replicates, values of `over`]."""
    if gaps.shape[1] < 2 or gaps.empty:
        return Interval(math.nan, math.nan, math.nan, len(gaps))
    tenths = -np.log10(gaps.columns.to_numpy(np.float64))
    return mean_interval(np.polyfit(tenths, gaps.to_numpy().T, 1)[0], confidence)


def _verdict(growth: Interval) -> str:
    if growth.low > 0:
        return GROWS
    return FALLS if growth.high < 0 else UNDECIDED


def _note(gaps: pd.DataFrame, left_out: int, over: str) -> str:
    said = []
    if gaps.empty:
        said.append("no seed was run at every point")
    elif left_out:
        said.append(f"{left_out} of the seeds left out, as they lack a point")
    if gaps.shape[1] < 2:
        said.append(f"one {over} has no trend")
    elif len(gaps) == 1:
        said.append("one seed: no interval")
    return "; ".join(said)
