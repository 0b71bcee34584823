"""From the numbers of a comparison to its verdict, the seeds that would decide it, and its note."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from superconv_ray.analysis.comparison.choices import SHARED_CHOICE
from superconv_ray.analysis.frames import finished_trainings, metric_in
from superconv_ray.analysis.statistics.intervals import CONFIDENCE
from superconv_ray.analysis.statistics.paired import MAX_SEEDS, seeds_needed
from superconv_ray.design.text import counted

MARGIN = 0.005
"""A gain below half a point of accuracy does not count; see `default_margin`."""
SUPER_CONVERGES = "super-converges"
DOES_NOT = "does not"
UNDECIDED = "undecided"


class Corrections(NamedTuple):
    """What p_holm is corrected for: the tests of the table, and the looks at the data."""

    tests: int
    looks: int


def default_margin(trials: pd.DataFrame, value: str) -> float:
    """Return the smallest gain that counts unless a user says otherwise.

    `MARGIN` for shares, such as accuracies, and for R²; for other metrics, which have units, it is
    this fraction of their mean size over the trainings.

    Args:
        trials: What is compared.
        value: Column to compare.
    """
    metric = metric_in(trials, value)
    if metric.share or metric.most == 1 or metric.name == value:
        return MARGIN
    trainings = finished_trainings(trials, (), value)
    return MARGIN * float(trainings[value].abs().mean())


def verdicts(table: pd.DataFrame, margin: float) -> pd.Series[str]:
    """Return the verdict on every row; see `compare`.

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
    """Number of further pairs that would decide an undecided row; missing if unknown.

    A row is decided when its interval excludes 0 from above or `margin` from below. The bound that
    is farther from the mean is excluded first.

    Args:
        table: As for `verdicts`, and the columns mean, n and verdict.
        margin: Smallest gain that counts.
        confidence: Coverage of the intervals.
    """
    distance = np.maximum(table["mean"], margin - table["mean"])
    missing = seeds_needed(distance, table["sd"], confidence) - table["n"]
    open_ones = _comparable(table) & (table["verdict"] == UNDECIDED)
    further: pd.Series[Any] = missing.clip(lower=1).where(open_ones).astype("Int64")
    return further


def note(row: Mapping[Any, Any], corrections: Corrections) -> str:
    """Reservations about a row, and reasons for missing values; often none.

    Args:
        row: A row of `verdicts` and `further_seeds`, with arm, baseline, p_holm and p_floor (the
            smallest p_holm that the numbers of pairs allow).
        corrections: What p_holm is corrected for.
    """
    parts = (_on_pairs(row), _on_divergence(row), _on_choices(row), _on_decision(row, corrections))
    return "; ".join(chain.from_iterable(parts))


def _comparable(rows: Any) -> Any:
    """Whether the gaps have a spread and a run of the baseline did not diverge."""
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
                yield f"{counted(runs - n, 'run')} of {name!r} without a partner left out"
    if n == 1:
        yield "one pair has no spread: no interval, and no estimate of further seeds"
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
            yield f"{row[side]!r} diverged in all of {counted(runs, 'run')}{nothing}"
        elif diverged:
            of = counted(runs, "run")
            yield f"{row[side]!r} diverged in {diverged} of {of}, counted as measured"


def _on_choices(row: Mapping[Any, Any]) -> Iterator[str]:
    if any(row[f"choices{side}"] < row[f"chosen{side}"] for side in ("", "_baseline")):
        yield SHARED_CHOICE


def _on_decision(row: Mapping[Any, Any], corrections: Corrections) -> Iterator[str]:
    n, alpha = row["n"], 1 - CONFIDENCE
    if n > 1 and row["p_floor"] > alpha:
        yield f"p cannot be below {row['p_floor']:.2g} with {n} pairs{_corrected(corrections)}"
    elif row["verdict"] == SUPER_CONVERGES and row["p_holm"] > alpha:
        yield f"better by its own interval, but p > {alpha:.2g}{_corrected(corrections)}"
    if row["verdict"] == UNDECIDED and _comparable(row) and pd.isna(row["further_seeds"]):
        yield f"it would take more than {MAX_SEEDS:,} seeds to decide"


def _corrected(corrections: Corrections) -> str:
    parts = []
    if corrections.tests > 1:
        parts.append(f"{corrections.tests} rows")
    if corrections.looks > 1:
        parts.append(f"{corrections.looks} looks")
    return f", corrected for {' and '.join(parts)}" if parts else ""
