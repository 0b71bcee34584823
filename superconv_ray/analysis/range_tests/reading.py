"""Read an LR range test (Smith 2017, arXiv 1506.01186, section 3.3): arrays in, numbers out.

`superconv_ray.analysis.range_tests.tables` applies these functions to a store's frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from superconv_ray.analysis.statistics.intervals import DECIMALS, TAILS, Floats

SMOOTHING = 0.1
"""Width of the moving average, as a fraction of the curve's points."""
PLATEAU_SHARE = 0.95
"""A rate belongs to the plateau if its accuracy is at least this share of the peak's. By this share
the plateau of the published CIFAR-10 test of 5k iterations (81.6 % at its peak, 78.4 % at LR 3)
reaches the end of the test; that of the CIFAR-100 test (51.8 %, 40.8 %) does not."""
SLOW_SHARE = 0.1
"""Accuracy has slowed down where its slope is below this share of the steepest slope."""
RISE_SHARE = 0.1
"""Accuracy has started to rise where it has made this share of its whole gain."""
DIVERGENCE_FACTOR = 4.0
"""fastai ends a test where the smoothed loss exceeds this many times its best."""
RESAMPLES = 1_000
"""Bootstrap samples of an interval."""

RangeTestCurve = tuple[npt.ArrayLike, npt.ArrayLike]
"""Learning rates and accuracies of one range test, in the order of its steps."""
_Rows = TypeVar("_Rows", Sequence[Any], Floats)


class LRInterval(NamedTuple):
    """The two ends of an interval of learning rates; NaN where there is none."""

    low: float
    high: float

    @property
    def decades(self) -> float:
        """Width of the interval, in powers of ten."""
        return math.log10(self.high / self.low)


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
    on the run counts as accuracy 0; see `mean_curve`.

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


def mean_curve(curves: Sequence[RangeTestCurve]) -> tuple[Floats, Floats]:
    """Average the accuracy over the replicates of one range test.

    A replicate that diverged has a shorter curve. From its end on it counts as accuracy 0, so that
    a rate at which some replicates diverge does not look good because of the others.

    Returns:
        The learning rates and the mean accuracies, both of shape [points].

    Raises:
        ValueError: No curve has a point, or the replicates have different learning rates.
    """
    rates = [np.asarray(lr, dtype=np.float64) for lr, _ in curves]
    longest = max(rates, key=len, default=np.empty(0))
    if not len(longest):
        raise ValueError("a range test must have at least one curve row, got none")
    accuracies = np.zeros((len(curves), len(longest)))
    for row, (lr, (_, accuracy)) in enumerate(zip(rates, curves, strict=True)):
        if not np.array_equal(lr, longest[: len(lr)]):
            raise ValueError("replicates of a range test must share their learning rates")
        accuracies[row, : len(lr)] = np.nan_to_num(np.asarray(accuracy, dtype=np.float64))
    return longest, accuracies.mean(axis=0)


def smoothed_accuracy(rates: Floats, accuracy: Floats) -> tuple[Floats, Floats]:
    """Smooth an accuracy and return it at the rates > 0, after these rates.

    Args:
        rates: Shape [n].
        accuracy: Shape [..., n].

    Raises:
        ValueError: No positive learning rate was reached.
    """
    positive = rates > 0
    if not positive.any():
        raise ValueError("a range test must reach a learning rate > 0 before it diverges")
    smoothed = smooth(accuracy, smoothing_window(len(rates))).round(DECIMALS)
    return rates[positive], smoothed[..., positive]


def accuracy_peak(curves: Sequence[RangeTestCurve]) -> float:
    """Smith's rule: the learning rate at the peak of the smoothed mean accuracy.

    Of equal peaks the one at the smallest rate wins. The rate is rounded to 3 significant digits: a
    curve is no more precise, and a trial's id must not depend on the last bits.

    Args:
        curves: One (learning rates [n], accuracies [n]) per replicate, as `measured_rows` leaves
            them.

    Raises:
        ValueError: As `mean_curve`; or no positive learning rate was reached.
    """
    rates, smoothed = smoothed_accuracy(*mean_curve(curves))
    return three_digits(rates[np.argmax(smoothed)])


def three_digits(rate: float) -> float:
    """Round a learning rate to 3 significant digits."""
    return float(f"{rate:.3g}")


def peak_interval(rates: Floats, accuracies: Floats, generator: np.random.Generator) -> LRInterval:
    """Percentile bootstrap interval (95 %) of the learning rate at the peak.

    Replicates are drawn with replacement and each draw's mean curve is read like the original. Such
    an interval is too narrow for few replicates (see `bootstrap_intervals`) and no finer than the
    test's own rates. One replicate has no interval.

    Args:
        rates: Shape [n].
        accuracies: Shape [replicates, n].
        generator: Draws the replicates.
    """
    replicates = len(accuracies)
    if replicates < 2:
        return NO_INTERVAL
    share = np.full(replicates, 1 / replicates)
    weights = generator.multinomial(replicates, share, RESAMPLES) / replicates
    positive, smoothed = smoothed_accuracy(rates, weights @ accuracies)
    peaks = positive[smoothed.argmax(axis=-1)]
    low, high = np.quantile(peaks, TAILS, method="inverted_cdf")
    return LRInterval(float(low), float(high))


def plateau(rates: Floats, smoothed: Floats) -> LRInterval:
    """The rates around the peak at which accuracy is at least `PLATEAU_SHARE` of the peak's.

    Args:
        rates: Shape [n], all > 0.
        smoothed: Shape [n], from `smoothed_accuracy`.
    """
    peak = int(np.argmax(smoothed))
    below = np.flatnonzero(smoothed < PLATEAU_SHARE * smoothed[peak])
    first = below[below < peak].max(initial=-1) + 1
    last = below[below > peak].min(initial=len(rates)) - 1
    return LRInterval(float(rates[first]), float(rates[last]))


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
    steepest ("slows"), or the accuracy before smoothing is below `PLATEAU_SHARE` of its best so far
    ("ragged"), or which is the peak ("falls").

    Args:
        rates: Shape [n], all > 0.
        accuracy: Shape [n], the mean over replicates.
        smoothed: Shape [n], from `smoothed_accuracy`.

    Source: arXiv 1506.01186, section 3.3.
    """
    peak = int(np.argmax(smoothed))
    if peak == 0:
        return SlowPoint(float(rates[0]), "falls")
    slope = np.gradient(smoothed, np.log10(rates))[: peak + 1]
    steepest = int(np.argmax(slope))
    ragged = accuracy < PLATEAU_SHARE * np.maximum.accumulate(accuracy)
    signs = {
        "slows": _first(slope[steepest:] < SLOW_SHARE * slope[steepest]),
        "ragged": _first(ragged[steepest : peak + 1]),
        "falls": peak - steepest,
    }
    sign = min(signs, key=signs.__getitem__)
    if signs[sign] == signs["falls"]:
        sign = "falls"
    return SlowPoint(float(rates[steepest + signs[sign]]), sign)


def divergence_rate(rates: Floats, train_loss: Floats) -> float:
    """The rate from which on a replicate's training loss stays far above its best; NaN if none.

    From that rate to the end of the test, the smoothed loss exceeds `DIVERGENCE_FACTOR` times its
    best so far, which is fastai's rule to end a test. It also exceeds the middle between the first
    loss and its best: a loss close to 0 may grow fourfold and still be small. A loss that recovers
    has not diverged.

    Args:
        rates: Shape [n].
        train_loss: Shape [n]; ignored from the first value on that is not finite.
    """
    rates, train_loss = finite_part(rates, train_loss)
    if not len(rates):
        return math.nan
    smoothed = smooth(train_loss, smoothing_window(len(rates)))
    best = np.minimum.accumulate(smoothed)
    left = (smoothed > DIVERGENCE_FACTOR * best) & (smoothed > (smoothed[0] + best) / 2)
    return float(rates[np.argmax(_to_the_end(left))]) if left[-1] else math.nan


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


def _to_the_end(condition: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """For each point, whether the condition holds from there to the end."""
    held: npt.NDArray[np.bool_] = np.logical_and.accumulate(condition[::-1])[::-1]
    return held


def _first(condition: npt.NDArray[np.bool_]) -> int:
    """Index of the first True, or the length if there is none."""
    return int(np.argmax(condition)) if condition.any() else len(condition)
