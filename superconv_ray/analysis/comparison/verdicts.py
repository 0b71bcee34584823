"""From the numbers of a comparison to its verdict, to what would decide it, and to what to note."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from superconv_ray.analysis.statistics.paired import MAX_SEEDS, seeds_needed, smallest_p

MARGIN = 0.005
"""Gains of less than half a point of accuracy count as none."""
SUPER_CONVERGES = "super-converges"
DOES_NOT = "does not"
UNDECIDED = "undecided"


def verdicts(table: pd.DataFrame, margin: float) -> pd.Series[str]:
    """One verdict a row, by its interval; `compare` says which.

    Args:
        table: Columns low, high, sd, runs_baseline, diverged_baseline.
        margin: Smallest gain that counts.
    """
    comparable = _comparable(table)
    found = np.select(
        [comparable & (table["low"] > 0), comparable & (table["high"] < margin)],
        [SUPER_CONVERGES, DOES_NOT],
        UNDECIDED,
    )
    return pd.Series(found, table.index)


def further_seeds(table: pd.DataFrame, margin: float, confidence: float) -> pd.Series[Any]:
    """How many more pairs would decide an undecided row, missing where it cannot be said.

    Of the two bounds, 0 below the mean and `margin` above it, the farther one is left behind first.

    Args:
        table: As for `verdicts`, with the columns mean, n and verdict as well.
        margin: Smallest gain that counts.
        confidence: Coverage of the intervals.
    """
    distance = np.maximum(table["mean"], margin - table["mean"])
    missing = seeds_needed(distance, table["sd"], confidence) - table["n"]
    open_ones = _comparable(table) & (table["verdict"] == UNDECIDED)
    further: pd.Series[Any] = missing.clip(lower=1).where(open_ones).astype("Int64")
    return further


def note(row: Mapping[Any, Any], confidence: float) -> str:
    """What a reader of a row must know, and what cannot be said of it; often nothing.

    Args:
        row: As of `verdicts` and `further_seeds`, with arm, baseline and p_holm.
        confidence: Of all looks together; 1 - confidence is what p is held against.
    """
    return "; ".join([*_on_pairs(row), *_on_divergence(row), *_on_decision(row, 1 - confidence)])


def _comparable(rows: Any) -> Any:
    """Whether gaps have a spread and the baseline has trained at all; of a table or of one row."""
    return (rows["sd"] > 0) & (rows["diverged_baseline"] < rows["runs_baseline"])


def _on_pairs(row: Mapping[Any, Any]) -> Iterator[str]:
    n, sides = row["n"], [(row["arm"], row["runs"]), (row["baseline"], row["runs_baseline"])]
    lacking = [repr(name) for name, runs in sides if not runs]
    if lacking:
        yield f"no finished training of {lacking[0]} here"
    elif not n:
        yield "no pair: the arms share no seed and subset"
    else:
        for name, runs in sides:
            if runs > n:
                yield f"{_runs(runs - n)} of {name!r} without a partner left out"
    if n == 1:
        yield "one pair has no spread: no interval, and no telling how many more would decide"
    elif n > 1 and row["sd"] == 0:
        yield f"all {n} gaps are equal: no spread to judge by"
    elif n == 2:
        yield "two pairs are too few for an effect size"


def _on_divergence(row: Mapping[Any, Any]) -> Iterator[str]:
    for side in ("arm", "baseline"):
        suffix = "_baseline" if side == "baseline" else ""
        runs, diverged = row[f"runs{suffix}"], row[f"diverged{suffix}"]
        if runs and diverged == runs:
            nothing = ": nothing to compare with" if side == "baseline" else ""
            yield f"{row[side]!r} diverged in all of {_runs(runs)}{nothing}"
        elif diverged:
            yield f"{row[side]!r} diverged in {diverged} of {_runs(runs)}, counted as scored"


def _on_decision(row: Mapping[Any, Any], alpha: float) -> Iterator[str]:
    n = row["n"]
    if n > 1 and smallest_p(n) > alpha:
        yield f"p cannot be below {smallest_p(n):.2g} with {n} pairs"
    elif row["verdict"] == SUPER_CONVERGES and row["p_holm"] > alpha:
        yield f"better by itself, but p > {alpha:.2g} once corrected"
    if row["verdict"] == UNDECIDED and _comparable(row) and pd.isna(row["further_seeds"]):
        yield f"it would take more than {MAX_SEEDS:,} seeds to decide"


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"
