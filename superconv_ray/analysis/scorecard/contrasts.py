"""What judges compare: numbers of every seed, with what each test sample contributes to them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from superconv_ray.analysis.frames import REPLICATE, finished_trainings, require_distinct
from superconv_ray.analysis.statistics.correctness import correctness, stacked
from superconv_ray.analysis.statistics.crossed import crossed_interval
from superconv_ray.analysis.statistics.intervals import DECIMALS, Floats, Interval, mean_interval


@dataclass(frozen=True)
class PerSeed:
    """A number of every replicate. Numbers that share their replicates are subtracted in pairs.

    Attributes:
        values: Shape [replicates].
        by_sample: What each test sample contributes, shape [replicates, samples]; its mean over the
            samples is `values`. None if that is not known.
    """

    values: Floats
    by_sample: Floats | None = None

    def __sub__(self, other: PerSeed) -> PerSeed:
        return combined([self, other], [1, -1])

    def __truediv__(self, number: float) -> PerSeed:
        return combined([self], [1 / number])

    @property
    def mean(self) -> float:
        """Mean over the replicates."""
        return float(self.values.mean())

    def certain(self, samples: int | None) -> PerSeed:
        """The same, as a number that the choice of the test samples does not change.

        Args:
            samples: Number of test samples; None if it is not known.
        """
        if samples is None:
            return PerSeed(self.values)
        return PerSeed(self.values, np.repeat(self.values[:, np.newaxis], samples, axis=1))

    def log_error(self) -> PerSeed:
        """The logarithm of the mean error, 1 - accuracy, with what each replicate adds to it.

        By linear approximation (the delta method), a replicate adds its error over the mean error,
        minus 1. So a single run without an error does no harm, as it would to a mean of logarithms.

        Raises:
            ValueError: No replicate has an error.
        """
        mean = 1 - self.mean
        if mean <= 0:
            raise ValueError("an error of 0 in all seeds has no logarithm")
        known = self.by_sample
        return PerSeed(
            np.log(mean) + (1 - self.values) / mean - 1,
            None if known is None else np.log(mean) + (1 - known) / mean - 1,
        )

    def interval(self) -> Interval:
        """95 % interval of the mean: over seeds and test samples if these are known, else seeds.

        As in a comparison, values without any spread have no interval: chance alone would spread
        them, so that they show a run that failed, or too few samples.
        """
        values = self.values.round(DECIMALS)
        if len(values) > 1 and values.min() == values.max():
            return Interval(float(values[0]), math.nan, math.nan, len(values))
        if self.by_sample is None or len(values) < 2:
            return mean_interval(values)
        return crossed_interval(self.by_sample)


def combined(numbers: Sequence[PerSeed], weights: npt.ArrayLike) -> PerSeed:
    """A weighted sum of numbers that share their replicates, pair by pair."""
    factors = np.asarray(weights, dtype=np.float64)
    values = np.tensordot(factors, np.stack([number.values for number in numbers]), 1)
    known = [number.by_sample for number in numbers if number.by_sample is not None]
    if len(known) < len(numbers) or len({table.shape for table in known}) > 1:
        return PerSeed(values)
    return PerSeed(values, sum(f * table for f, table in zip(factors, known, strict=True)))


def mean_of(numbers: Sequence[PerSeed]) -> PerSeed:
    """The mean of numbers that share their replicates, for each of these."""
    return combined(numbers, np.full(len(numbers), 1 / len(numbers)))


def slope(numbers: Sequence[PerSeed], axis: Sequence[float]) -> PerSeed:
    """Slope of a line through the numbers per tenfold increase of the axis, for each replicate.

    Args:
        numbers: At least 2.
        axis: Where they are, > 0.
    """
    places = np.log10(axis) - np.log10(axis).mean()
    return combined(numbers, places / (places**2).sum())


def per_replicate(
    trials: pd.DataFrame, by: Sequence[str] = (), value: str = "test_accuracy"
) -> Mapping[Any, PerSeed]:
    """A value of each training, for contrasts that are paired by seed and subset.

    Args:
        trials: As from ``open_store(...).trials(study, correctness=True)``. Diverged trainings
            count with what they measured.
        by: Columns that distinguish points.
        value: The column.

    Returns:
        By arm, or by (arm, *values of `by`): the value of each replicate that has all of them.
        Which replicates these are does not depend on `value`, so that numbers of several columns of
        the same trials are pairs as well.

    Raises:
        ValueError: No replicate has all, a training lacks the value, or as `analysis.compare`.
    """
    found = finished_trainings(trials, by, value)
    require_distinct(found, by)
    found["correct"] = correctness(found, value)
    columns = ["arm", *by]
    complete = found.pivot_table(index=REPLICATE, columns=columns, values=value).dropna().index
    if complete.empty:
        raise ValueError("no seed has finished at all points")
    runs = {key: own.set_index(REPLICATE).loc[complete] for key, own in found.groupby(columns)}
    return {
        key if by else key[0]: PerSeed(own[value].to_numpy(np.float64), stacked(own["correct"]))
        for key, own in runs.items()
    }


def of_arm(table: Mapping[Any, PerSeed], arm: str) -> dict[Any, PerSeed]:
    """The part of a `per_replicate` table of one arm, by the rest of the key.

    Raises:
        KeyError: It has no training.
    """
    own = {key[1:]: number for key, number in table.items() if key[0] == arm}
    if not own:
        raise KeyError(arm)
    return {key if len(key) > 1 else key[0]: number for key, number in own.items()}


def short_against_long(
    trials: pd.DataFrame, baseline: str, by: str, baseline_value: str = "test_accuracy"
) -> tuple[dict[Any, PerSeed], dict[Any, PerSeed]]:
    """Accuracies of 1cycle with the shortest budget, and of a baseline with the longest.

    Args:
        trials: With the arm one_cycle and the baseline at several budgets.
        baseline: Name of the arm.
        by: Column that distinguishes points.
        baseline_value: Column of the baseline's accuracy.

    Returns:
        Both by point, in ascending order.

    Raises:
        ValueError: As `per_replicate`.
    """
    short, long = np.sort(trials["steps"].dropna().unique())[[0, -1]]
    compared = trials[trials["arm"].isin(("one_cycle", baseline))]
    own = of_arm(per_replicate(compared, ["steps", by]), "one_cycle")
    other = of_arm(per_replicate(compared, ["steps", by], baseline_value), baseline)
    return (
        {point: number for (steps, point), number in own.items() if steps == short},
        {point: number for (steps, point), number in other.items() if steps == long},
    )


def gap_to_longest_run(trials: pd.DataFrame, factor: float, baseline: str = "step") -> PerSeed:
    """1cycle's accuracy minus that of the baseline's longest run, which is `factor` times as long.

    Args:
        trials: With the arm one_cycle and the baseline at several budgets.
        factor: Up to a tenth more or less, as budgets are whole numbers of steps.
        baseline: Name of the arm.

    Raises:
        ValueError: No run is that much shorter; or as `per_replicate`.
    """
    compared = trials[trials["arm"].isin(("one_cycle", baseline))]
    steps = np.sort(compared["steps"].dropna().unique())
    long, short = steps[-1], steps[np.abs(steps * factor / steps[-1] - 1).argmin()]
    if not 0.9 < short * factor / long < 1.1:
        raise ValueError(f"no run is {factor:.3g} times shorter than {long:,} steps")
    table = per_replicate(compared, ["steps"])
    return table["one_cycle", short] - table[baseline, long]
