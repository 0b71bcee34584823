"""Does a gain grow as labels become scarce? The claim of 1708.07120, section 4.1, as a number.

Intervals at single points do not answer this. Two of them may overlap although every seed's gap
grows, and a gain whose interval excludes zero only at few labels need not have grown.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd

from superconv_ray.analysis.comparison.choices import SHARED_CHOICE
from superconv_ray.analysis.comparison.gaps import paired_runs
from superconv_ray.analysis.comparison.verdicts import UNDECIDED
from superconv_ray.analysis.frames import REPLICATE, baselines_of
from superconv_ray.analysis.statistics.intervals import Interval, mean_interval

LABELS = "data_count"
GROWS = "grows"
FALLS = "falls"


def gap_trend(
    trials: pd.DataFrame,
    arm: str,
    baseline: str | Sequence[str],
    by: Sequence[str] = (),
    value: str = "test_accuracy",
) -> pd.DataFrame:
    """Growth of an arm's paired gap when labels become ten times fewer.

    For each replicate (seed and subset), a least-squares line is fitted to its gaps over
    log10(data_count). The negative slopes are averaged over replicates, with Student's 95 % t
    interval, which assumes that they are independent and roughly normal. A replicate that lacks a
    point is left out, because its slope would be one of other points. A gap that first grows and
    then falls may have a mean slope of 0: look at `compare` as well.

    Args:
        trials: As from ``open_store(...).trials(study)``; trainings count.
        arm: Name of the arm.
        baseline: Name or names of the arms to compare it with.
        by: Columns that distinguish curves.
        value: Column to compare, as for `compare`.

    Returns:
        One row per curve and baseline. Columns: `by`, arm, baseline; mean, low, high (growth for
        each division by ten, in units of `value`), n (replicates); points (distinct numbers of
        labels); verdict ("grows" if the interval lies above 0, "falls" if below, else "undecided");
        note.

    Raises:
        TypeError: `trials` is no frame.
        ValueError: As `compare`.
    """
    names = baselines_of(arm, baseline)
    points, runs = paired_runs(trials, arm, names, [*by, LABELS], value)
    gaps = runs.dropna(subset="gap").join(points, on="point")
    rows: list[tuple[object, ...]] = []
    for place, curves in gaps.groupby([*by, "rank"], dropna=False):
        *key, rank = cast("tuple[Any, ...]", place)
        table = curves.pivot_table(index=REPLICATE, columns=LABELS, values="gap").dropna()
        left_out = curves.groupby(REPLICATE).ngroups - len(table)
        found = _growth(table)
        notes = [*_notes(table, left_out), *_on_choices(curves)]
        verdict = _verdict(found)
        rows.append((*key, arm, names[rank], *found, table.shape[1], verdict, "; ".join(notes)))
    columns = [*by, "arm", "baseline", *Interval._fields, "points", "verdict", "note"]
    return pd.DataFrame(rows, columns=columns)


def _growth(gaps: pd.DataFrame) -> Interval:
    """Mean growth for each division by ten; gaps have shape [replicates, numbers of labels]."""
    if gaps.shape[1] < 2 or gaps.empty:
        return Interval(math.nan, math.nan, math.nan, len(gaps))
    tenths = -np.log10(gaps.columns.to_numpy(np.float64))
    return mean_interval(np.polyfit(tenths, gaps.to_numpy().T, 1)[0])


def _verdict(growth: Interval) -> str:
    if growth.low > 0:
        return GROWS
    return FALLS if growth.high < 0 else UNDECIDED


def _notes(gaps: pd.DataFrame, left_out: int) -> Iterator[str]:
    if gaps.empty:
        yield "no seed was run at all points"
    elif left_out:
        yield f"{left_out} of the seeds left out, because they lack a point"
    if gaps.shape[1] < 2:
        yield "one number of labels has no trend"
    elif len(gaps) == 1:
        yield "one seed: no interval"


def _on_choices(runs: pd.DataFrame) -> Iterator[str]:
    if any(runs[side].dropna().duplicated().any() for side in ("choice", "choice_baseline")):
        yield SHARED_CHOICE
