"""Read an LR range test (Smith 2017, arXiv 1506.01186, section 3.3): arrays in, numbers out.

`superconv_ray.analysis.range_tests.tables` applies these functions to a store's frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from superconv_ray.analysis.statistics.intervals import Floats

SMOOTHING = 0.1
"""Width of the moving average, as a fraction of the curve's points."""
RAGGED_SHARE = 0.95
"""Accuracy is ragged where it is below this share of its best so far."""
SLOW_SHARE = 0.1
"""Accuracy has slowed down where its slope is below this share of the steepest slope."""
RISE_SHARE = 0.1
"""Accuracy has started to rise where it has made this share of its whole gain."""

_Rows = TypeVar("_Rows", Sequence[Any], Floats)


class RangeTestCurve(NamedTuple):
    """One replicate of a range test.

    Attributes:
        rates: Learning rates in the order of the steps, shape [n].
        accuracy: Accuracies at these rates, shape [n].
        lost: The rate at which the run was found to have diverged, NaN if it ran to its end.
    """

    rates: npt.ArrayLike
    accuracy: npt.ArrayLike
    lost: float = math.nan


class LRInterval(NamedTuple):
    """The two ends of an interval of learning rates; NaN where there is none."""

    low: float
    high: float

    @property
    def ratio(self) -> float:
        """The high end divided by the low one."""
        return self.high / self.low

    @property
    def decades(self) -> float:
        """Width of the interval, in powers of ten."""
        return math.log10(self.ratio)


NO_INTERVAL = LRInterval(math.nan, math.nan)


class SlowPoint(NamedTuple):
    """Where accuracy stops growing well, and its sign: it "slows", is "ragged" or "falls"."""

    lr: float
    sign: str


class Regularization(NamedTuple):
    """Learning rates between which training loss rose and held-out loss fell, and by how much."""

    low: float
    high: float
    train_loss_change: float
    held_out_loss_change: float


NO_REGULARIZATION = Regularization(*[math.nan] * 4)


def measured_rows(rows: _Rows, *, diverged: bool) -> _Rows:
    """Return the curve rows of a range test that measure something: all, unless it diverged.

    A diverged run ends with the row at which the divergence was noticed. Its learning rate need not
    be one that the replicates measured, and its accuracy is that of ruined weights. From that row
    on the run counts as accuracy 0; see `stacked_curves`.

    Args:
        rows: Curve rows of one run in the order of its steps, as a sequence or [rows, columns].
        diverged: Whether the run's status is "diverged".
    """
    return rows[:-1] if diverged else rows


def smooth(values: npt.ArrayLike, window: int) -> Floats:
    """Centered moving average.

    At both ends the window shrinks symmetrically, so that no point is shifted.

    Args:
        values: Shape [..., n].
        window: Number of points averaged; an even number is raised to the next odd one.
    """
    array = np.asarray(values, dtype=np.float64)
    before = np.zeros((*array.shape[:-1], 1))
    total = np.concatenate((before, np.cumsum(array, axis=-1)), axis=-1)
    position = np.arange(array.shape[-1])
    half = np.minimum(window // 2, np.minimum(position, len(position) - 1 - position))
    averaged: Floats = (total[..., position + half + 1] - total[..., position - half]) / (
        2 * half + 1
    )
    return averaged


def smoothing_window(points: int) -> int:
    """Window of the moving average for a curve with that many points."""
    return max(3, round(SMOOTHING * points))


def stacked_curves(curves: Sequence[RangeTestCurve]) -> tuple[Floats, Floats]:
    """The accuracies of the replicates of one range test, at their common learning rates.

    A replicate that diverged has a shorter curve. From its end on it counts as accuracy 0, so that
    a rate at which some replicates diverge does not look good because of the others. So does an
    accuracy that is missing.

    Returns:
        Learning rates, shape [points], and accuracies, shape [replicates, points].

    Raises:
        ValueError: No curve has a point, or the replicates have different learning rates.
    """
    rates = [np.asarray(curve.rates, dtype=np.float64) for curve in curves]
    longest = max(rates, key=len, default=np.empty(0))
    if not len(longest):
        raise ValueError("a range test must have at least one curve row, got none")
    accuracies = np.zeros((len(curves), len(longest)))
    for row, own, curve in zip(accuracies, rates, curves, strict=True):
        if not np.array_equal(own, longest[: len(own)]):
            raise ValueError("replicates of a range test must share their learning rates")
        row[: len(own)] = np.nan_to_num(np.asarray(curve.accuracy, dtype=np.float64))
    return longest, accuracies


def three_digits(rate: float) -> float:
    """Round a learning rate to 3 significant digits."""
    return float(f"{rate:.3g}")


def rise_point(rates: Floats, smoothed: Floats) -> float:
    """Smith's min_lr: the rate at which accuracy has risen by `RISE_SHARE` of its whole gain.

    Source: arXiv 1506.01186, section 3.3.
    """
    enough = smoothed[0] + RISE_SHARE * (smoothed.max() - smoothed[0])
    return float(rates[np.argmax(smoothed >= enough)])


def slow_point(rates: Floats, accuracy: Floats, smoothed: Floats) -> SlowPoint:
    """Smith's max_lr as first published: where accuracy slows, becomes ragged, or starts to fall.

    The smoothed accuracy is steepest, per decade of the learning rate, somewhere below its peak.
    The slow point is the first point from there on at which the slope is below `SLOW_SHARE` of the
    steepest ("slows"), or the accuracy before smoothing is below `RAGGED_SHARE` of its best so far
    ("ragged"), or which is the peak ("falls").

    Args:
        rates: Shape [n], all > 0.
        accuracy: Shape [n], the mean over replicates.
        smoothed: Shape [n].

    Source: arXiv 1506.01186, section 3.3.
    """
    peak = int(np.argmax(smoothed))
    if peak == 0:
        return SlowPoint(float(rates[0]), "falls")
    slope = np.gradient(smoothed, np.log10(rates))[: peak + 1]
    steepest = int(np.argmax(slope))
    ragged = accuracy < RAGGED_SHARE * np.maximum.accumulate(accuracy)
    signs = {
        "slows": _first(slope[steepest:] < SLOW_SHARE * slope[steepest]),
        "ragged": _first(ragged[steepest : peak + 1]),
        "falls": peak - steepest,
    }
    sign = min(signs, key=signs.__getitem__)
    if signs[sign] == signs["falls"]:
        sign = "falls"
    return SlowPoint(float(rates[steepest + signs[sign]]), sign)


def regularization(rates: Floats, train_loss: Floats, held_out_loss: Floats) -> Regularization:
    """The widest interval over which training loss rises while held-out loss falls.

    Both losses are smoothed. An interval with fewer points than the moving average is noise and
    does not count.

    Args:
        rates: Shape [n]; rates that are not > 0 are ignored.
        train_loss: Shape [n], the mean over replicates.
        held_out_loss: Shape [n], the mean over replicates.

    Source: arXiv 1708.07120, figure 4: the large learning rate itself regularizes.
    """
    rates, train_loss, held_out_loss = finite_part(rates, train_loss, held_out_loss)
    window = smoothing_window(len(rates))
    train, held_out = smooth(train_loss, window), smooth(held_out_loss, window)
    both = (np.diff(train) > 0) & (np.diff(held_out) < 0) & (rates[:-1] > 0)
    runs = np.flatnonzero(np.diff(both, prepend=False, append=False)).reshape(-1, 2)
    runs = runs[runs[:, 1] - runs[:, 0] >= window]
    if not len(runs):
        return NO_REGULARIZATION
    start, end = runs[np.argmax(rates[runs[:, 1]] / rates[runs[:, 0]])]
    return Regularization(
        *(float(rates[start]), float(rates[end])),
        *(float(train[end] - train[start]), float(held_out[end] - held_out[start])),
    )


def finite_part(*arrays: Floats) -> tuple[Floats, ...]:
    """Cut arrays of shape [n] at the first point at which one of them is not finite."""
    length = _first(~np.logical_and.reduce(np.isfinite(arrays)))
    return tuple(array[:length] for array in arrays)


def _first(condition: npt.NDArray[np.bool_]) -> int:
    """Index of the first True, or the length if there is none."""
    return int(np.argmax(condition)) if condition.any() else len(condition)
