"""Comparing arms: means with intervals, gaps paired by seed, and what they say. Frames in, out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from superconv_ray.analysis.comparison.verdicts import MARGIN, further_seeds, note, verdicts
from superconv_ray.analysis.statistics.intervals import (
    CONFIDENCE,
    DECIMALS,
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
)
from superconv_ray.analysis.statistics.replicates import (
    REPLICATE,
    finished_trainings,
    require_arms,
    require_distinct,
)
from superconv_ray.analysis.statistics.sequential import confidence_per_look

_RESULTS = (
    *Interval._fields,
    *("bootstrap_low", "bootstrap_high", "p", "p_holm", "effect_size", "improvement_probability"),
    *("verdict", "further_seeds", "note"),
)


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
        ValueError: A training's `value` is not finite, or there is no such column.
    """
    trainings = finished_trainings(trials, by, value)
    trainings["diverged"] = trainings["status"] == "diverged"
    groups = trainings.groupby([*by, "arm"], dropna=False)
    summary = _intervals(groups[value]).assign(diverged=groups["diverged"].sum())
    return summary.drop(columns="sd").reset_index()


def generalization_gap(trials: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """By how much training accuracy exceeds test accuracy, of every arm at every point.

    The gap of 1708.07120, figure 5. A diverged training counts with what it measured.

    Args:
        trials: As for `arm_summary`.
        by: Columns that tell points apart.

    Returns:
        Columns: `by`, arm, mean, low, high, n, diverged.

    Raises:
        ValueError: A training lacks one of the two accuracies.
    """
    gap = trials["train_accuracy"] - trials["test_accuracy"]
    return arm_summary(trials.assign(generalization_gap=gap), by, "generalization_gap")


def effort(trials: pd.DataFrame) -> pd.DataFrame:
    """What every arm cost, the choice of its hyper-parameters included.

    Args:
        trials: As for `arm_summary`; a trial that cells of an arm share counts once.

    Returns:
        Columns: arm, role, trials, steps. Every role but "training" chooses hyper-parameters.
    """
    once = trials.drop_duplicates(["arm", "role", "trial_id"])
    groups = once.groupby(["arm", "role"])["steps_done"]
    return groups.agg(trials="size", steps="sum").reset_index()


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
            point: then `by` does not tell the points apart. Or as `arm_summary`.
    """
    points, runs = paired_runs(trials, arm, [baseline], by, value)
    gaps = _intervals(runs.dropna(subset="gap").groupby("point")["gap"])
    return points.join(gaps[list(Interval._fields)], how="inner").reset_index(drop=True)


def compare(
    trials: pd.DataFrame,
    arm: str,
    baseline: str | Sequence[str],
    by: Sequence[str] = (),
    value: str = "test_accuracy",
    *,
    confidence: float = CONFIDENCE,
    margin: float = MARGIN,
    looks: int = 1,
    seed: int = 0,
) -> pd.DataFrame:
    """What an arm's paired gaps to one or more baselines say, at every point: one row each.

    The verdict follows from a row's t interval, each row by itself: "super-converges" if it lies
    above 0: the arm is better; else "does not" if it lies below `margin`: the arm is worse, or not
    better by any gain that counts; else "undecided". Undecided are also rows whose gaps have no
    spread (one pair, or all equal) or whose baseline diverged in all runs.

    Args:
        trials: As for `arm_summary`.
        arm: Name of the arm.
        baseline: Name, or names, of the arms it is compared with.
        by: Columns that tell points apart.
        value: Column to compare; more of it is better.
        confidence: Coverage of the intervals.
        margin: Smallest gain that counts, in units of `value`.
        looks: Largest number of looks at the data, if seeds were added until the sign was decided
            (see `sequential_interval`): t intervals and p_holm then hold at any look.
        seed: Of the bootstrap and of sign patterns drawn at random.

    Returns:
        Columns: `by`, arm, baseline;
        mean, low, high (t interval), n (pairs; runs without a partner do not count);
        bootstrap_low, bootstrap_high (BCa; one look);
        p (sign-flip test; one look), p_holm (corrected for the rows of this table and the looks);
        effect_size (Hedges' correction of d_z; 3 pairs at least),
        improvement_probability (share of pairs in which the arm is better);
        verdict; further_seeds (pairs that would decide an undecided row with 80 % power if the
        observed mean and deviation were the true ones; missing where it cannot be said);
        note (what cannot be said of this row, and why; empty if there is nothing to note).

    Raises:
        ValueError: As `paired_gap`; or `confidence`, `margin` or `looks` is impossible; or there is
            no baseline, or the arm is its own.
    """
    if not (np.isfinite(margin) and margin > 0):
        raise ValueError(f"margin must be finite and > 0, got {margin}")
    coverage = confidence_per_look(looks, confidence)
    baselines = [baseline] if isinstance(baseline, str) else list(baseline)
    if not baselines:
        raise ValueError("baseline must name at least one arm, got none")
    if arm in baselines:
        raise ValueError(f"baseline must be another arm than {arm!r}, got {baseline!r}")
    points, runs = paired_runs(trials, arm, baselines, by, value)
    cells = runs.groupby(["point", "rank"])
    table = _intervals(cells["gap"], coverage).join(_pairing(cells))
    generator = np.random.default_rng(seed)
    table = table.join(_resampled(runs, table.index, confidence, generator))
    table["p_holm"] = holm(table["p"] * looks)
    table["effect_size"] = hedges_d(table["mean"], table["sd"], table["n"])
    table["verdict"] = verdicts(table, margin)
    table["further_seeds"] = further_seeds(table, margin, coverage)
    names = [baselines[rank] for _, rank in table.index]
    table = points.join(table.droplevel("rank"), how="right")
    table["arm"], table["baseline"] = arm, names
    table["note"] = [note(row, confidence) for row in table.to_dict("records")]
    return table[[*by, "arm", "baseline", *_RESULTS]].reset_index(drop=True)


def _intervals(values: Any, confidence: float = CONFIDENCE) -> pd.DataFrame:
    """Mean, t interval, n and standard deviation of every group; missing values do not count."""
    table: pd.DataFrame = values.agg(mean="mean", n="count", sd="std", least="min", most="max")
    # Rounding errors make a deviation of values that do not differ.
    table["sd"] = table["sd"].mask(table["least"] == table["most"], 0).where(table["n"] > 1)
    half = half_widths(table["sd"], table["n"], confidence)
    table["low"], table["high"] = table["mean"] - half, table["mean"] + half
    return table[[*Interval._fields, "sd"]]


def paired_runs(
    trials: pd.DataFrame, arm: str, baselines: Sequence[str], by: Sequence[str], value: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The points (`by`, numbered), and every run of the arm or a baseline next to its partner.

    Runs have the columns point, rank (of the baseline) and gap (NaN without a partner), and for
    both sides arm and diverged, with the suffix _baseline for that; missing where no run is.
    """
    trainings = finished_trainings(trials, by, value)
    require_arms(trainings, (arm, *baselines))
    trainings = trainings[trainings["arm"].isin((arm, *baselines))]
    require_distinct(trainings, by)
    number = trainings.groupby(list(by), dropna=False).ngroup() if by else 0
    diverged = (trainings["status"] == "diverged").astype(float)  # missing without a partner
    sides = trainings[[*REPLICATE, "arm"]].assign(
        point=number, value=trainings[value], diverged=diverged
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
    runs["gap"] = (runs["value"] - runs["value_baseline"]).round(DECIMALS)
    points = trainings[list(by)].set_axis(sides["point"], axis=0)
    return points[~points.index.duplicated()].sort_index(), runs


def _pairing(cells: Any) -> pd.DataFrame:
    """How many runs each side has, and how many of them diverged."""
    counts = cells.agg(
        runs=("arm", "count"),
        runs_baseline=("arm_baseline", "count"),
        diverged=("diverged", "sum"),
        diverged_baseline=("diverged_baseline", "sum"),
    )
    return pd.DataFrame(counts).astype(int)


def _resampled(
    runs: pd.DataFrame, index: pd.Index[Any], confidence: float, generator: np.random.Generator
) -> pd.DataFrame:
    """What is computed from the gaps themselves, of all cells with the same number of pairs."""
    columns = ["p", "improvement_probability", "bootstrap_low", "bootstrap_high"]
    table = pd.DataFrame(np.nan, index=index, columns=columns)
    for cells, gaps in _equal_counts(runs, index):
        table.iloc[cells, 0] = sign_flip_p(gaps, generator)
        table.iloc[cells, 1] = improvement_probability(gaps)
        if gaps.shape[1] > 1:
            table.iloc[cells, 2], table.iloc[cells, 3] = bootstrap_intervals(
                gaps, generator, confidence
            )
    return table


def _equal_counts(
    runs: pd.DataFrame, index: pd.Index[Any]
) -> Iterator[tuple[npt.NDArray[np.intp], Floats]]:
    """Positions in `index` of the cells with n pairs, and their gaps [cells, n], for every n."""
    pairs = runs.dropna(subset="gap")
    cell = index.get_indexer(pd.MultiIndex.from_frame(pairs[["point", "rank"]]))
    gaps = pairs["gap"].to_numpy()[np.argsort(cell, kind="stable")]
    counts = np.bincount(cell, minlength=len(index))
    starts = np.cumsum(counts) - counts
    for n in np.unique(counts[counts > 0]):
        cells = np.flatnonzero(counts == n)
        yield cells, gaps[starts[cells, None] + np.arange(n)]
