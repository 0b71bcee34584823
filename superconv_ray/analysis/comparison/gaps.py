"""Compare arms by gaps that are paired by seed and subset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from superconv_ray.analysis.comparison.arms import group_means
from superconv_ray.analysis.comparison.choices import choice_ids
from superconv_ray.analysis.comparison.verdicts import (
    Corrections,
    default_margin,
    further_seeds,
    note,
    verdicts,
)
from superconv_ray.analysis.frames import (
    REPLICATE,
    baselines_of,
    finished_trainings,
    metric_in,
    require_arms,
    require_distinct,
)
from superconv_ray.analysis.statistics.intervals import (
    DECIMALS,
    SEED,
    Floats,
    Interval,
    bootstrap_intervals,
    half_widths,
)
from superconv_ray.analysis.statistics.paired import (
    hedges_d,
    holm,
    improvement_probability,
    sign_flip_p,
    smallest_p,
)
from superconv_ray.analysis.statistics.sequential import confidence_per_look
from superconv_ray.design.metrics import Metric

_RESULTS = (
    *Interval._fields,
    *("bootstrap_low", "bootstrap_high", "p", "p_holm", "effect_size", "improvement_probability"),
    *("verdict", "further_seeds", "note"),
)


def compare(
    trials: pd.DataFrame,
    arm: str,
    baseline: str | Sequence[str],
    by: Sequence[str] = (),
    value: str = "test_accuracy",
    *,
    margin: float | None = None,
    looks: int = 1,
) -> pd.DataFrame:
    """Compare an arm with one or more baselines at every point, by gaps paired by seed and subset.

    Pairing removes the variation that both arms share: initial weights, subset and batch order. The
    interval is Student's 95 % t interval of the gaps, cut off at -1 and 1 for shares such as
    accuracies. A gap is the arm's value minus the baseline's, or the other way round for a metric
    of which less is better: above 0, the arm is better. The interval
    assumes that the gaps are independent and roughly normal.

    The verdict follows from the t interval of each row by itself. It is "super-converges" if the
    interval lies above 0: the arm is better. It is "does not" if the interval lies below `margin`:
    the arm is worse, or better by less than counts. Otherwise it is "undecided". A row is also
    undecided if its gaps have no spread (one pair, or all gaps equal) or if all runs of the
    baseline diverged.

    Verdicts are not corrected for the number of rows; p_holm is. The t interval assumes roughly
    normal gaps, which a few diverged runs among many are not; p only assumes that the two arms of a
    pair are exchangeable if they are equally good, but it cannot be small with few pairs (the note
    says how small).

    Args:
        trials: As from ``open_store(...).trials(study)``; trainings count, diverged ones with what
            they measured.
        arm: Name of the arm.
        baseline: Name or names of the arms to compare it with.
        by: Columns that distinguish points.
        value: Column to compare. Of a metric, its direction is known; of other columns, more is
            better.
        margin: Smallest gain that counts, in units of `value`; None: see `default_margin`.
        looks: Largest number of looks at the data, if seeds were added until the sign was decided.
            The chance of an error is divided among the looks (Bonferroni), so that the t intervals
            and p_holm hold at any look.

    Returns:
        Columns: `by`, arm, baseline;
        mean, low, high (t interval), n (pairs; runs without a partner do not count);
        bootstrap_low, bootstrap_high (BCa; for one look);
        p (sign-flip test; for one look), p_holm (corrected for the rows of the table and the
        looks);
        effect_size (Hedges' correction of d_z; needs 3 pairs),
        improvement_probability (share of pairs in which the arm is better);
        verdict; further_seeds (pairs that would decide an undecided row with 80 % power if the
        observed mean and deviation were the true ones; missing if unknown);
        note (reservations, and why a value is missing; often empty).

    Raises:
        TypeError: `trials` is no frame.
        ValueError: A column is missing; a training's `value` is not finite; an arm has no training,
            or has several of the same seed and subset at one point; `margin` or `looks` is
            impossible; there is no baseline, or the arm is its own baseline.
    """
    if margin is None:
        margin = default_margin(trials, value)
    if not (np.isfinite(margin) and margin > 0):
        raise ValueError(f"margin must be finite and > 0, got {margin}")
    coverage = confidence_per_look(looks)
    baselines = baselines_of(arm, baseline)
    points, runs = paired_runs(trials, arm, baselines, by, value)
    cells = runs.groupby(["point", "rank"])
    table = _gap_intervals(cells["gap"], metric_in(trials, value), coverage).join(_pairing(cells))
    generator = np.random.default_rng(SEED)
    table = table.join(_resampled(runs, table.index, generator))
    table["p_holm"] = holm(table["p"] * looks)
    # Holm's correction increases with every p: the least possible p give the least corrected ones.
    least_p = np.where(table["p"].notna(), smallest_p(table["n"]), np.nan)
    table["p_floor"] = holm(least_p * looks)
    table["effect_size"] = hedges_d(table["mean"], table["sd"], table["n"])
    table["verdict"] = verdicts(table, margin)
    table["further_seeds"] = further_seeds(table, margin, coverage)
    names = [baselines[rank] for _, rank in table.index]
    table = points.join(table.droplevel("rank"), how="right")
    table["arm"], table["baseline"] = arm, names
    corrections = Corrections(tests=int(table["p"].notna().sum()), looks=looks)
    table["note"] = [note(row, corrections) for row in table.to_dict("records")]
    return table[[*by, "arm", "baseline", *_RESULTS]].reset_index(drop=True)


def _gap_intervals(gaps: Any, metric: Metric, confidence: float) -> pd.DataFrame:
    """Mean, Student's interval, n and sd of every group; gaps of shares stay in [-1, 1]."""
    table = group_means(gaps)
    most = 1.0 if metric.share else np.inf
    half = half_widths(table["sd"], table["n"], confidence)
    table["low"] = (table["mean"] - half).clip(lower=-most)
    table["high"] = (table["mean"] + half).clip(upper=most)
    return table[[*Interval._fields, "sd"]]


def paired_runs(
    trials: pd.DataFrame, arm: str, baselines: Sequence[str], by: Sequence[str], value: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the points (`by`, numbered) and every run next to its partner.

    Runs have the columns point, rank (of the baseline among `baselines`), gap (above 0 if the arm
    is better; NaN without a partner), arm, diverged and choice (see `choice_ids`), and with the
    suffix _baseline the latter three of the baseline's run. They are missing where there is no run.
    """
    trainings = finished_trainings(trials, by, value)
    require_arms(trainings, (arm, *baselines))
    trainings = trainings[trainings["arm"].isin((arm, *baselines))]
    require_distinct(trainings, by)
    number = trainings.groupby(list(by), dropna=False).ngroup() if by else 0
    diverged = (trainings["status"] == "diverged").astype(float)  # missing without a partner
    sides = trainings[[*REPLICATE, "arm"]].assign(
        point=number, value=trainings[value], diverged=diverged, choice=choice_ids(trainings)
    )
    pair = ["point", *REPLICATE]
    runs = pd.concat(
        [
            sides[sides["arm"] == arm]
            .merge(sides[sides["arm"] == name], on=pair, how="outer", suffixes=("", "_baseline"))
            .assign(rank=rank)
            for rank, name in enumerate(baselines)
        ]
    )
    sign = metric_in(trainings, value).sign
    runs["gap"] = (sign * (runs["value"] - runs["value_baseline"])).round(DECIMALS)
    points = trainings[list(by)].set_axis(sides["point"], axis=0)
    return points[~points.index.duplicated()].sort_index(), runs


def _pairing(cells: Any) -> pd.DataFrame:
    """Number of runs on each side, how many of them diverged, and how many choices they share."""
    counts = cells.agg(
        runs=("arm", "count"),
        runs_baseline=("arm_baseline", "count"),
        diverged=("diverged", "sum"),
        diverged_baseline=("diverged_baseline", "sum"),
        chosen=("choice", "count"),
        chosen_baseline=("choice_baseline", "count"),
        choices=("choice", "nunique"),
        choices_baseline=("choice_baseline", "nunique"),
    )
    return pd.DataFrame(counts).astype(int)


def _resampled(
    runs: pd.DataFrame, index: pd.Index[Any], generator: np.random.Generator
) -> pd.DataFrame:
    """Statistics of the gaps themselves, for all cells with equally many pairs at once."""
    columns = ["p", "improvement_probability", "bootstrap_low", "bootstrap_high"]
    table = pd.DataFrame(np.nan, index=index, columns=columns)
    for cells, gaps in _equal_counts(runs, index):
        table.iloc[cells, 0] = sign_flip_p(gaps, generator)
        table.iloc[cells, 1] = improvement_probability(gaps)
        if gaps.shape[1] > 1:
            table.iloc[cells, 2], table.iloc[cells, 3] = bootstrap_intervals(gaps, generator)
    return table


def _equal_counts(
    runs: pd.DataFrame, index: pd.Index[Any]
) -> Iterator[tuple[npt.NDArray[np.intp], Floats]]:
    """For every n: positions in `index` of the cells with n pairs, and their gaps [cells, n]."""
    pairs = runs.dropna(subset="gap")
    cell = index.get_indexer(pd.MultiIndex.from_frame(pairs[["point", "rank"]]))
    gaps = pairs["gap"].to_numpy()[np.argsort(cell, kind="stable")]
    counts = np.bincount(cell, minlength=len(index))
    starts = np.cumsum(counts) - counts
    for n in np.unique(counts[counts > 0]):
        cells = np.flatnonzero(counts == n)
        yield cells, gaps[starts[cells, None] + np.arange(n)]
