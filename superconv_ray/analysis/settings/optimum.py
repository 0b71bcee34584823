"""The best value of a setting, and whether it shifts with another setting.

Smith & Topin (1708.07120, section 5) and Smith (1803.09820, section 4.4) claim that regularization
must be balanced: a large learning rate regularizes by itself, so the best weight decay falls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from superconv_ray.analysis.frames import finished_trainings, metric_in
from superconv_ray.analysis.statistics.intervals import TAILS, Floats
from superconv_ray.analysis.statistics.replicates import over_seeds, resampled


def optimum(
    trials: pd.DataFrame,
    over: str,
    by: Sequence[str] = (),
    value: str = "test_accuracy",
) -> pd.DataFrame:
    """The value of a setting with the best mean over seeds, with a 95 % bootstrap interval.

    Seeds are drawn with replacement, the same for every value of `over`, and the best value is
    found again. The interval consists of values of the grid, so it is no finer than the grid, and
    with few seeds it is too narrow (see `bootstrap_intervals`).

    Args:
        trials: As from ``open_store(...).trials(study)``; trainings count, diverged ones with what
            they measured.
        over: Numeric column whose best value to find.
        by: Columns that distinguish points.
        value: Column whose best to find, as for `compare`.

    Returns:
        Columns: `by`, best, low, high, `value` at the best, seeds, note (such as a best value at
        the end of the grid).

    Raises:
        TypeError: `trials` is no frame.
        ValueError: A column is missing; no training; a value that is not finite; or values of
            `over` that were run with different seeds.
    """
    rows = []
    sign = metric_in(trials, value).sign
    for key, group in _groups(trials, over, by, value):
        grid, table = over_seeds(group, over, value)
        table = sign * table
        best = grid[_best(table[None])[0]]
        drawn = grid[_best(table[resampled(len(table))])]
        low, high = np.quantile(drawn, TAILS, method="nearest")
        if len(table) == 1:
            low = high = np.nan
        reached, note = sign * table.mean(0).max(), _note(best, grid, len(table))
        rows.append((*key, best, low, high, reached, len(table), note))
    columns = [*by, "best", "low", "high", value, "seeds", "note"]
    return pd.DataFrame(rows, columns=columns)


def optimum_shift(
    trials: pd.DataFrame, over: str, along: str, value: str = "test_accuracy"
) -> pd.DataFrame:
    """Whether the best value of a setting shifts as another grows, both on logarithmic axes.

    The slope is that of the least-squares line through log10(best `over`) against log10(`along`),
    in decades per decade. Its 95 % interval is a percentile bootstrap over seeds, the same for all
    points; it shares the limits of `optimum`. Other settings that the trials differ in are
    averaged over before the best value is found.

    Args:
        trials: As for `optimum`.
        over: Column whose best value to find, > 0.
        along: Column that it may shift with, > 0.
        value: Column whose best to find, as for `compare`.

    Returns:
        One row: slope, low, high, seeds, verdict.

    Raises:
        TypeError: `trials` is no frame.
        ValueError: As `optimum`; or a setting is not > 0; or `along` has only one value.
    """
    sign = metric_in(trials, value).sign
    parts = [
        (key[0], grid, sign * table)
        for key, group in _groups(trials, over, [along], value)
        for grid, table in [over_seeds(group, over, value)]
    ]
    if len(parts) < 2:
        raise ValueError(f"{along} must have at least two values to see a shift along it")
    position = np.array([key for key, _, _ in parts], dtype=np.float64)
    for name, values in ((along, position), (over, np.concatenate([grid for _, grid, _ in parts]))):
        if not (values > 0).all():
            raise ValueError(f"{name} must be > 0 on a logarithmic axis, got {values.min():g}")
    counts = {len(table) for _, _, table in parts}
    if len(counts) > 1:
        raise ValueError(f"every {along} must be run with the same seeds, got {sorted(counts)}")
    (count,) = counts
    samples = np.concatenate([np.arange(count)[None], resampled(count)])
    best = np.stack([np.log10(grid[_best(table[samples])]) for _, grid, table in parts], axis=1)
    x = np.log10(position) - np.log10(position).mean()
    slopes = (best * x).sum(1) / (x**2).sum()
    low, high = np.quantile(slopes[1:], TAILS) if count > 1 else (np.nan, np.nan)
    row = (slopes[0], low, high, count, _verdict(over, along, low, high, count))
    return pd.DataFrame([row], columns=["slope", "low", "high", "seeds", "verdict"])


def _groups(
    trials: pd.DataFrame, over: str, by: Sequence[str], value: str
) -> list[tuple[tuple[Any, ...], pd.DataFrame]]:
    found = finished_trainings(trials, [over, *by], value)
    if found.empty:
        raise ValueError("there is no finished training to find an optimum in")
    if not by:
        return [((), found)]
    return [(tuple(key), group) for key, group in found.groupby(list(by), dropna=False)]


def _best(tables: Floats) -> npt.NDArray[np.int64]:
    """Index of the best grid value of every table [resamples, seeds, grid]."""
    best: npt.NDArray[np.int64] = tables.mean(axis=1).argmax(axis=1)
    return best


def _note(best: float, grid: Floats, seeds: int) -> str:
    notes = []
    if len(grid) > 1 and best in (grid[0], grid[-1]):
        notes.append("at the end of the grid: the optimum may lie beyond")
    if seeds == 1:
        notes.append("one seed: no interval")
    return "; ".join(notes)


def _verdict(over: str, along: str, low: float, high: float, seeds: int) -> str:
    if seeds == 1:
        return "one seed: no interval, so no verdict"
    if high < 0:
        return f"the best {over} falls as {along} grows"
    if low > 0:
        return f"the best {over} grows with {along}"
    return f"undecided: the slope of the best {over} over {along} may be 0"
