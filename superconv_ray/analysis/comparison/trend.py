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
from superconv_ray.analysis.comparison.verdicts import UNDECIDED, level_per_row
from superconv_ray.analysis.frames import REPLICATE, baselines_of, metric_in
from superconv_ray.analysis.statistics.correctness import stacked
from superconv_ray.analysis.statistics.crossed import crossed_interval
from superconv_ray.analysis.statistics.intervals import DECIMALS, Floats, Interval, mean_interval
from superconv_ray.design.metrics import Metric

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
    """Growth of an arm's paired gain when labels become ten times fewer, in points and as a ratio.

    Errors grow as labels become scarce. An arm that always makes nine tenths of the baseline's
    errors gains more points then, although nothing about it has changed. So the gain is measured
    twice: as the gap of accuracies, and as the ratio of errors, baseline over arm. Only a ratio
    that grows shows that scarce labels favor the arm.

    For each replicate (seed and subset), a least-squares line is fitted to its gaps, or to the
    logarithms of its ratios, over log10(data_count). The negative slopes are averaged over
    replicates, with a t interval. Its level is adjusted for the number of verdicts in the table, so
    that all intervals hold together with 95 % (`level_per_row`). This is the trend arm x log n of a
    mixed model of the gaps, or of the log errors of both arms with a term for every number of
    labels and random effects of the seed, of its subset at each number of labels, and of its
    settings and their slope for each arm (Laird & Ware 1982, Biometrics 38, 963-974): where every
    replicate has all points, averaging slopes gives the estimate and standard error of REML, with
    the degrees of freedom of an exact test. A replicate that lacks a point is left out, because its
    slope would be one of other points. Where the trials tell which test samples are right, the
    intervals count the choice of the test set as well (`crossed_interval`).

    A gap that first grows and then falls may have a mean slope of 0: look at `compare` as well.

    Args:
        trials: As from ``open_store(...).trials(study, correctness=True)``; trainings count.
        arm: Name of the arm.
        baseline: Name or names of the arms to compare it with.
        by: Columns that distinguish curves.
        value: Column to compare, as for `compare`.

    Returns:
        One row per curve and baseline. Columns: `by`, arm, baseline; mean, low, high (growth of the
        gap for each division by ten, in units of `value`), n (replicates); points (distinct numbers
        of labels); verdict ("grows" if the interval lies above 0, "falls" if below, else
        "undecided"); ratio, ratio_low, ratio_high (factor by which the ratio of errors grows for
        each division by ten), ratio_verdict (the same of an interval above or below 1); note.
        The ratio is missing for values without a best one, which have no errors.

    Raises:
        TypeError: `trials` is no frame.
        ValueError: As `compare`.
    """
    names = baselines_of(arm, baseline)
    points, runs = paired_runs(trials, arm, names, [*by, LABELS], value)
    runs["log_ratio"] = _log_ratio(runs, metric_in(trials, value))
    pairs = runs.dropna(subset="gap").join(points, on="point")
    groups = pairs.groupby([*by, "rank"], dropna=False)
    measures = 2 if runs["log_ratio"].notna().any() else 1
    confidence = 1 - level_per_row(max(measures * groups.ngroups, 1))
    rows: list[tuple[object, ...]] = []
    for place, curves in groups:
        *key, rank = cast("tuple[Any, ...]", place)
        table = curves.pivot_table(index=REPLICATE, columns=LABELS, values="gap").dropna()
        left_out = curves.groupby(REPLICATE).ngroups - len(table)
        gap, ratio = _growths(curves, table, confidence)
        notes = [*_notes(table, left_out), *_on_ratio(table, ratio), *_on_choices(curves)]
        found = (*gap, table.shape[1], _verdict(gap), *np.exp(ratio[:3]), _verdict(ratio))
        rows.append((*key, arm, names[rank], *found, "; ".join(notes)))
    ratios = ("ratio", "ratio_low", "ratio_high", "ratio_verdict", "note")
    columns = [*by, "arm", "baseline", *Interval._fields, "points", "verdict", *ratios]
    return pd.DataFrame(rows, columns=columns)


def _log_ratio(runs: pd.DataFrame, metric: Metric) -> Floats:
    """Logarithm of the baseline's error over the arm's; NaN where it has none."""
    best = 1.0 if metric.share else metric.most if metric.maximize else metric.least
    errors = [
        np.abs(best - runs[name].to_numpy(np.float64)) for name in ("value", "value_baseline")
    ]
    arm, baseline = (np.where((e > 0) & np.isfinite(e), e, np.nan) for e in errors)
    return np.log(baseline) - np.log(arm)


def _growths(
    curves: pd.DataFrame, gaps: pd.DataFrame, confidence: float
) -> tuple[Interval, Interval]:
    """Mean growth of the gap and of the log ratio for each division by ten.

    Args:
        curves: Pairs of one curve.
        gaps: Their gaps, shape [replicates, numbers of labels], of the replicates with all points.
        confidence: Of each interval.
    """
    if gaps.shape[1] < 2 or gaps.empty:
        nothing = Interval(math.nan, math.nan, math.nan, len(gaps))
        return nothing, nothing
    tenths = -np.log10(gaps.columns.to_numpy(np.float64))
    weights = (tenths - tenths.mean()) / ((tenths - tenths.mean()) ** 2).sum()  # of least squares
    places = [(*replicate, n) for replicate in gaps.index for n in gaps.columns]
    runs = curves.set_index([*REPLICATE, LABELS]).loc[places]
    ratios = runs["log_ratio"].to_numpy().reshape(gaps.shape)
    of_gap, of_ratio = _by_sample(runs, gaps.shape)
    return (
        _growth(gaps.to_numpy(), of_gap, weights, confidence),
        _growth(ratios, of_ratio, weights, confidence),
    )


def _by_sample(
    runs: pd.DataFrame, shape: tuple[int, int]
) -> tuple[Floats, Floats] | tuple[None, None]:
    """What each test sample adds to gaps and log ratios, shape [*shape, samples]; None if unknown.

    By linear approximation, a sample changes log(error) by its own error over the mean error.
    """
    arm, baseline = stacked(runs["correct"]), stacked(runs["correct_baseline"])
    if arm is None or baseline is None or arm.shape != baseline.shape:
        return None, None
    errors = [1 - baseline, 1 - arm]
    least = 0.5 / arm.shape[1]  # without an error there is no ratio: see `_log_ratio`
    relative = [error / np.maximum(error.mean(axis=1, keepdims=True), least) for error in errors]
    gap, ratio = arm - baseline, relative[0] - relative[1]
    return gap.reshape(*shape, -1), ratio.reshape(*shape, -1)


def _growth(
    values: Floats, by_sample: Floats | None, weights: Floats, confidence: float
) -> Interval:
    """Mean slope over replicates; values [replicates, points], see `_by_sample`."""
    slopes = (values @ weights).round(DECIMALS)  # equal slopes stay equal
    if not np.isfinite(slopes).all():
        return Interval(math.nan, math.nan, math.nan, len(slopes))
    if by_sample is None or len(slopes) < 2:
        return mean_interval(slopes, confidence)
    table = np.einsum("rps,p->rs", by_sample, weights)
    return crossed_interval(table + (slopes - table.mean(axis=1))[:, np.newaxis], confidence)


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


def _on_ratio(gaps: pd.DataFrame, ratio: Interval) -> Iterator[str]:
    if gaps.shape[1] > 1 and len(gaps) and math.isnan(ratio.mean):
        yield "no ratio: an error is 0, or the values have no best one"


def _on_choices(runs: pd.DataFrame) -> Iterator[str]:
    if any(runs[side].dropna().duplicated().any() for side in ("choice", "choice_baseline")):
        yield SHARED_CHOICE
