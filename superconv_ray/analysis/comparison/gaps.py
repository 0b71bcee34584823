"""Compare arms by gaps that are paired by seed and subset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from superconv_ray.analysis.comparison.arms import group_means
from superconv_ray.analysis.comparison.choices import choice_ids
from superconv_ray.analysis.comparison.further_seeds import further_seeds
from superconv_ray.analysis.comparison.notes import note
from superconv_ray.analysis.comparison.verdicts import (
    ALPHA,
    default_margin,
    level_per_row,
    require_family,
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
from superconv_ray.analysis.statistics.correctness import correctness, gaps_by_sample
from superconv_ray.analysis.statistics.crossed import SEEDS, SEEDS_AND_SAMPLES, crossed_error
from superconv_ray.analysis.statistics.intervals import (
    DECIMALS,
    SEED,
    Floats,
    Interval,
    bootstrap_intervals,
)
from superconv_ray.analysis.statistics.paired import (
    StandardErrors,
    hedges_d,
    improvement_probability,
    paired_t,
    standard_errors,
)
from superconv_ray.design.metrics import Metric

_RESULTS = (
    *(*Interval._fields, "interval_over"),
    *("p", "p_adjusted", "bootstrap_low", "bootstrap_high"),
    *("effect_size", "improvement_probability"),
    *("verdict", "further_seeds", "note"),
)
"""What an interval is over."""


def compare(
    trials: pd.DataFrame,
    arm: str,
    baseline: str | Sequence[str],
    by: Sequence[str] = (),
    value: str = "test_accuracy",
    *,
    margin: float | None = None,
    looks: Sequence[int] = (),
    family: int = 1,
) -> pd.DataFrame:
    """Compare an arm with one or more baselines at every point, by gaps paired by seed and subset.

    Pairing removes the variation that both arms share: initial weights, subset and batch order. A
    gap is the arm's value minus the baseline's, or the other way round for a metric of which less
    is better: above 0, the arm is better.

    The interval is Student's t interval of the gaps. Where the trials tell which test samples are
    right, it is over seeds and test samples (`crossed_interval`): the gap in the population that
    the test set was drawn from. Otherwise it is over seeds alone, and takes the test set as given.
    In both cases it holds for the pool of labels that the subsets were drawn from: the more of it
    each subset contains, the less do the seeds show how another pool would change the gap.

    Its level is adjusted for the number of rows, so that all intervals of the table hold together
    with 95 % (Bonferroni), and for the looks. The verdict is where this interval lies, and treats
    both arms alike:

    - "equivalent" if it lies within the margin, between -margin and margin: two one-sided tests;
    - else "arm better" if it lies above 0, and "baseline better" if it lies below 0;
    - else "undecided".

    The chance that any verdict of the table is wrong is at most 5 %; see `level_per_row`. A row is
    also undecided if its gaps have no spread (one pair, or all gaps equal), or if all runs of both
    arms diverged. The intervals assume that gaps are independent and roughly normal, which a few
    diverged runs among many are not.

    Args:
        trials: As from ``open_store(...).trials(study, correctness=True)``; trainings count,
            diverged ones with what they measured.
        arm: Name of the arm.
        baseline: Name or names of the arms to compare it with.
        by: Columns that distinguish points.
        value: Column to compare. Of a metric, its direction is known; of other columns, more is
            better.
        margin: Smallest gap that counts, in units of `value`; None: see `default_margin`.
        looks: Numbers of pairs at which you look at the gaps, ascending, if seeds are added until
            the rows are decided: ``range(3, 13)`` for a look after each seed from the third to the
            twelfth. Intervals and p_adjusted then hold at any of these looks together.
        family: Number of comparisons that share the 5 %, if this table is a part of a larger one;
            at least its number of rows with a pair.

    Returns:
        Columns: `by`, arm, baseline;
        mean, low, high (simultaneous t interval), n (pairs; runs without a partner do not count),
        interval_over ("seeds and test samples" or "seeds");
        p (two-sided paired t test, by itself), p_adjusted (for the rows and looks; below 0.05 if
        and only if the interval leaves 0 out);
        bootstrap_low, bootstrap_high (95 % BCa interval of the row by itself, for one look);
        effect_size (Hedges' correction of d_z; needs 3 pairs),
        improvement_probability (share of pairs in which the arm is better);
        verdict; further_seeds (pairs that would decide an undecided row with probability 80 %,
        given what is known about its gaps; missing if unknown);
        note (reservations, and why a value is missing; often empty).

    Raises:
        TypeError: `trials` is no frame.
        ValueError: A column is missing; a training's `value` is not finite; an arm has no training,
            or has several of the same seed and subset at one point; `margin`, `looks` or `family`
            is impossible; there is no baseline, or the arm is its own baseline.
    """
    if margin is None:
        margin = default_margin(trials, value)
    if not (np.isfinite(margin) and margin > 0):
        raise ValueError(f"margin must be finite and > 0, got {margin}")
    require_family(family)
    baselines = baselines_of(arm, baseline)
    points, runs = paired_runs(trials, arm, baselines, by, value)
    cells = runs.groupby(["point", "rank"])
    tests = int(cells["gap"].count().gt(0).sum())
    level = level_per_row(max(family, tests), looks)
    table = _gap_intervals(runs, metric_in(trials, value), level).join(_pairing(cells))
    generator = np.random.default_rng(SEED)
    table = table.join(_resampled(runs, table.index, generator))
    table["effect_size"] = hedges_d(table["mean"], table["sd"], table["n"])
    table["verdict"] = verdicts(table, margin)
    # Whoever follows the advice looks once more.
    times = max(len(looks), 1)
    table["further_seeds"] = further_seeds(table, margin, level * times / (times + 1))
    names = [baselines[rank] for _, rank in table.index]
    table = points.join(table.droplevel("rank"), how="right")
    table["arm"], table["baseline"] = arm, names
    table["note"] = [note(row) for row in table.to_dict("records")]
    return table[[*by, "arm", "baseline", *_RESULTS]].reset_index(drop=True)


def _gap_intervals(runs: pd.DataFrame, metric: Metric, level: float) -> pd.DataFrame:
    """Interval, n, sd, p and error of the test set of every group; gaps of shares in [-1, 1]."""
    table = group_means(runs.groupby(["point", "rank"])["gap"])
    most = 1.0 if metric.share else np.inf
    errors, table["of_samples"] = _errors(runs, table)
    table["interval_over"] = np.where(table["of_samples"].isna(), SEEDS, SEEDS_AND_SAMPLES)
    half, table["p"] = paired_t(table["mean"], errors, level)
    table["low"] = (table["mean"] - half).clip(lower=-most)
    table["high"] = (table["mean"] + half).clip(upper=most)
    table["p_adjusted"] = (table["p"] * ALPHA / level).clip(upper=1)
    return table


def _errors(runs: pd.DataFrame, table: pd.DataFrame) -> tuple[StandardErrors, Floats]:
    """Standard errors, and what more seeds would leave of them: NaN for those over seeds alone."""
    of_samples = np.full(len(table), np.nan)
    errors = standard_errors(table["sd"], table["n"])
    for cell, pairs in runs.dropna(subset="gap").groupby(["point", "rank"]):
        by_sample = gaps_by_sample(pairs["correct"], pairs["correct_baseline"])
        if by_sample is not None and len(by_sample) > 1:
            of_samples[table.index.get_loc(cell)] = crossed_error(by_sample).of_samples
    return errors._replace(of_samples=np.nan_to_num(of_samples)), of_samples


def paired_runs(
    trials: pd.DataFrame, arm: str, baselines: Sequence[str], by: Sequence[str], value: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the points (`by`, numbered) and every run next to its partner.

    Runs have the columns point, rank (of the baseline among `baselines`), gap (above 0 if the arm
    is better; NaN without a partner), arm, value, diverged, choice (see `choice_ids`) and correct
    (see `correctness`), and with the suffix _baseline the latter five of the baseline's run. They
    are missing where there is no run.
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
    sides["correct"] = correctness(trainings, value)
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
    columns = ["improvement_probability", "bootstrap_low", "bootstrap_high"]
    table = pd.DataFrame(np.nan, index=index, columns=columns)
    for cells, gaps in _equal_counts(runs, index):
        table.iloc[cells, 0] = improvement_probability(gaps)
        if gaps.shape[1] > 1:
            table.iloc[cells, 1], table.iloc[cells, 2] = bootstrap_intervals(gaps, generator)
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
