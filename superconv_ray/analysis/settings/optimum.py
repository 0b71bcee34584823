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
from superconv_ray.analysis.statistics.intervals import DECIMALS, TAILS, Floats
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
    with few seeds it is too narrow (see `bootstrap_intervals`). A best value at an end of the grid
    is a bound: the optimum may lie beyond, by any distance.

    Args:
        trials: As from ``open_store(...).trials(study)``; trainings count, diverged ones with what
            they measured.
        over: Numeric column whose best value to find.
        by: Columns that distinguish points.
        value: Column whose best to find, as for `compare`.

    Returns:
        Columns: `by`, best, low, high, censored, `value` at the best, seeds, note. If censored is
        ">", best is the largest value tried and the optimum may be larger; if it is "<", the
        smallest. The note says as well if the interval ends where the grid does.

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
        reached, note = sign * table.mean(0).max(), _note(best, (low, high), grid)
        rows.append((*key, best, low, high, _censored(best, grid), reached, len(table), note))
    columns = [*by, "best", "low", "high", "censored", value, "seeds", "note"]
    return pd.DataFrame(rows, columns=columns)


def optimum_shift(
    trials: pd.DataFrame, over: str, along: str, value: str = "test_accuracy"
) -> pd.DataFrame:
    """Whether the best value of a setting shifts as another grows, both on logarithmic axes.

    The slope is that of the least-squares line through log10(best `over`) against log10(`along`),
    in decades per decade. Its 95 % interval is a percentile bootstrap over seeds, the same for all
    points; it shares the limits of `optimum`. Other settings that the trials differ in are
    averaged over before the best value is found.

    A best value at an end of its grid makes the slope a bound, because the optimum may lie beyond.
    The interval is then infinite on that side: what remains of it holds wherever the optima are.

    Args:
        trials: As for `optimum`.
        over: Column whose best value to find, > 0.
        along: Column that it may shift with, > 0.
        value: Column whose best to find, as for `compare`.

    Returns:
        One row: slope, low, high, censored, seeds, verdict. If censored is ">", the slope may be
        larger than stated; if it is "<", smaller; if it is "<>", either.

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
    found = [(grid, _best(table[samples])) for _, grid, table in parts]
    x = np.log10(position) - np.log10(position).mean()
    slopes = np.stack([np.log10(grid[best]) for grid, best in found], axis=1) @ x / (x**2).sum()
    # An optimum that is larger than the grid adds to the slope on the right of the mean position.
    beyond = np.stack([_beyond(best, len(grid)) for grid, best in found])  # [points, ends, samples]
    added = beyond * np.sign(x.round(DECIMALS))[:, np.newaxis, np.newaxis]
    smaller, larger = (added < 0).any(axis=(0, 1)), (added > 0).any(axis=(0, 1))
    low = high = np.nan
    if count > 1:
        # Order statistics: an infinite draw must not be interpolated.
        low = np.quantile(np.where(smaller, -np.inf, slopes)[1:], TAILS[0], method="lower")
        high = np.quantile(np.where(larger, np.inf, slopes)[1:], TAILS[1], method="higher")
    censored = "<" * bool(smaller[0]) + ">" * bool(larger[0])
    row = (slopes[0], low, high, censored, count, _verdict(over, along, low, high, count))
    return pd.DataFrame([row], columns=["slope", "low", "high", "censored", "seeds", "verdict"])


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


def _beyond(best: npt.NDArray[np.int64], values: int) -> Floats:
    """Where an optimum may lie beyond its grid: -1 below, 1 above, else 0; shape [2, samples].

    If the grid has one value, that is both ends.
    """
    return np.stack([-1.0 * (best == 0), 1.0 * (best == values - 1)])


def _censored(best: float, grid: Floats) -> str:
    return "<" * bool(best == grid[0]) + ">" * bool(best == grid[-1])


def _note(best: float, ends: tuple[float, float], grid: Floats) -> str:
    notes = []
    if _censored(best, grid):
        notes.append("at the end of the grid: the optimum may lie beyond")
    elif ends[0] == grid[0] or ends[1] == grid[-1]:
        notes.append("the interval ends where the grid does: the optimum may lie beyond")
    if np.isnan(ends[0]):
        notes.append("one seed: no interval")
    return "; ".join(notes)


def _verdict(over: str, along: str, low: float, high: float, seeds: int) -> str:
    if seeds == 1:
        return "one seed: no interval, so no verdict"
    if np.isinf(low) and np.isinf(high):
        return f"undecided: the best {over} is at the end of its grid"
    if high < 0:
        return f"the best {over} falls as {along} grows"
    if low > 0:
        return f"the best {over} grows with {along}"
    return f"undecided: the slope of the best {over} over {along} may be 0"
