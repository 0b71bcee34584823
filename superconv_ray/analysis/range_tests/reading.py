"""Reading an LR range test (Smith 2017, arXiv 1506.01186, section 3.3): arrays in, numbers out.

The frames that a store holds are read by `superconv_ray.analysis.range_tests.tables`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

SMOOTHING = 0.1
"""Width of the moving average, as a fraction of the curve's points."""
DECIMALS = 9
"""To which smoothed accuracies are compared: finer than one sample in millions, and coarser than
rounding errors, which would else decide between equal peaks."""
PLATEAU_SHARE = 0.95
"""Share of the peak accuracy above which a rate belongs to the plateau. That of the published
CIFAR-10 test of 5k iterations (81.6 % at its peak, 78.4 % at LR 3) reaches its end, that of the
CIFAR-100 one (51.8 %, 40.8 %) does not."""
SLOW_SHARE = 0.1
"""Share of the steepest slope below which accuracy has slowed down."""
RISE_SHARE = 0.1
"""Share of the whole gain in accuracy with which it has started to rise."""
DIVERGENCE_FACTOR = 4.0
"""fastai ends a test where the smoothed loss exceeds this many times its best."""
RESAMPLES = 1_000
"""Bootstrap samples of an interval."""
CONFIDENCE = 0.95

Curve = tuple[npt.ArrayLike, npt.ArrayLike]
"""Learning rates and accuracies of one range test, in the order of its steps."""
Floats = npt.NDArray[np.float64]


class Rates(NamedTuple):
    """Two learning rates, the ends of an interval; NaN where there is none."""

    low: float
    high: float

    @property
    def decades(self) -> float:
        """Width of the interval."""
        return math.log10(self.high / self.low)


NO_RATES = Rates(math.nan, math.nan)


class SlowPoint(NamedTuple):
    """Where accuracy stops growing well, and what tells: it "slows", is "ragged" or "falls"."""

    lr: float
    sign: str


class Regularisation(NamedTuple):
    """Learning rates over which training loss rose and held-out loss fell, and by how much."""

    low: float
    high: float
    train_loss_change: float
    held_out_loss_change: float


NO_REGULARISATION = Regularisation(*[math.nan] * 4)


def smooth(values: npt.ArrayLike, window: int) -> Floats:
    """Centred moving average; at the ends the window shrinks symmetrically, so none is shifted.

    Args:
        values: Shape [..., n].
        window: Points averaged; an even number is taken as the next odd one.
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
    """Points over which a curve of so many points is averaged."""
    return max(3, round(SMOOTHING * points))


def mean_curve(curves: Sequence[Curve]) -> tuple[Floats, Floats]:
    """Learning rates, and the accuracy averaged over replicates of one range test.

    A replicate that diverged has a shorter curve: from there on it counts as accuracy 0, so that a
    rate at which some replicates are lost cannot look good by those that are left.

    Raises:
        ValueError: No curve has a point, or the replicates were not run on the same rates.
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
    """The rates > 0, and the smoothed accuracy at them.

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


def accuracy_peak(curves: Sequence[Curve]) -> float:
    """Smith's rule: the learning rate at the peak of the smoothed mean accuracy.

    Of equal peaks the smallest rate is taken. Rounded to 3 significant digits: a curve knows no
    more, and a trial's id should not hang on the last bits.

    Args:
        curves: One (learning rates [n], accuracies [n]) per replicate.

    Raises:
        ValueError: As `mean_curve`; or no positive learning rate was reached.
    """
    rates, smoothed = smoothed_accuracy(*mean_curve(curves))
    return three_digits(rates[np.argmax(smoothed)])


def three_digits(rate: float) -> float:
    """A learning rate rounded to 3 significant digits."""
    return float(f"{rate:.3g}")


def peak_interval(rates: Floats, accuracies: Floats, seed: int | np.random.Generator = 0) -> Rates:
    """Percentile bootstrap interval (95 %) of the learning rate at the peak, over replicates.

    Args:
        rates: Shape [n].
        accuracies: Shape [replicates, n]; one replicate says nothing of the others: no interval.
        seed: Of the resampling, or the generator to draw from.
    """
    replicates = len(accuracies)
    if replicates < 2:
        return NO_RATES
    share = np.full(replicates, 1 / replicates)
    weights = np.random.default_rng(seed).multinomial(replicates, share, RESAMPLES) / replicates
    positive, smoothed = smoothed_accuracy(rates, weights @ accuracies)
    peaks = positive[smoothed.argmax(axis=-1)]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(peaks, [tail, 1 - tail], method="inverted_cdf")
    return Rates(float(low), float(high))


def plateau(rates: Floats, smoothed: Floats) -> Rates:
    """The rates around the peak at which accuracy stays above `PLATEAU_SHARE` of the peak's.

    Args:
        rates: Shape [n], all > 0.
        smoothed: Shape [n], from `smoothed_accuracy`.
    """
    peak = int(np.argmax(smoothed))
    below = np.flatnonzero(smoothed < PLATEAU_SHARE * smoothed[peak])
    first = below[below < peak].max(initial=-1) + 1
    last = below[below > peak].min(initial=len(rates)) - 1
    return Rates(float(rates[first]), float(rates[last]))


def rise_point(rates: Floats, smoothed: Floats) -> float:
    """Smith's min_lr: the rate at which accuracy has started to rise, by `RISE_SHARE` of its gain.

    Source: arXiv 1506.01186, section 3.3.
    """
    enough = smoothed[0] + RISE_SHARE * (smoothed.max() - smoothed[0])
    return float(rates[np.argmax(smoothed >= enough)])


def slow_point(rates: Floats, accuracy: Floats, smoothed: Floats) -> SlowPoint:
    """Smith's max_lr as first published: where accuracy slows, becomes ragged, or starts to fall.

    The first of these after the smoothed accuracy was steepest (per decade of the learning rate):
    its slope is below `SLOW_SHARE` of the steepest; the accuracy before smoothing is below
    `PLATEAU_SHARE` of its best so far; the peak.

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

    From there to the end the smoothed loss exceeds `DIVERGENCE_FACTOR` times its best so far,
    fastai's rule to end a test, and half of what was learned is lost as well: a loss that is nearly
    0 may grow fourfold and still be small. A loss that comes back has not diverged.

    Args:
        rates: Shape [n].
        train_loss: Shape [n]; what follows the first value that is not finite is not looked at.
    """
    rates, train_loss = finite_part(rates, train_loss)
    if not len(rates):
        return math.nan
    smoothed = smooth(train_loss, smoothing_window(len(rates)))
    best = np.minimum.accumulate(smoothed)
    left = (smoothed > DIVERGENCE_FACTOR * best) & (smoothed > (smoothed[0] + best) / 2)
    return float(rates[np.argmax(_to_the_end(left))]) if left[-1] else math.nan


def regularisation(rates: Floats, train_loss: Floats, held_out_loss: Floats) -> Regularisation:
    """The widest interval over which training loss rises while held-out loss falls.

    Both are smoothed. An interval of fewer points than are averaged is taken for noise.

    Args:
        rates: Shape [n]; those that are not > 0 are not looked at.
        train_loss: Shape [n], the mean over replicates.
        held_out_loss: Shape [n], the same.

    Source: arXiv 1708.07120, figure 4: the large learning rate itself regularises.
    """
    rates, train_loss, held_out_loss = finite_part(rates, train_loss, held_out_loss)
    window = smoothing_window(len(rates))
    train, held_out = smooth(train_loss, window), smooth(held_out_loss, window)
    both = (np.diff(train) > 0) & (np.diff(held_out) < 0) & (rates[:-1] > 0)
    runs = np.flatnonzero(np.diff(both, prepend=False, append=False)).reshape(-1, 2)
    runs = runs[runs[:, 1] - runs[:, 0] >= window]
    if not len(runs):
        return NO_REGULARISATION
    start, end = runs[np.argmax(rates[runs[:, 1]] / rates[runs[:, 0]])]
    return Regularisation(
        *(float(rates[start]), float(rates[end])),
        *(float(train[end] - train[start]), float(held_out[end] - held_out[start])),
    )


def finite_part(*arrays: Floats) -> tuple[Floats, ...]:
    """Arrays of shape [n], cut where the first of them is not finite."""
    length = _first(~np.logical_and.reduce(np.isfinite(arrays)))
    return tuple(array[:length] for array in arrays)


def _to_the_end(condition: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Whether a condition holds from here to the end, point by point."""
    held: npt.NDArray[np.bool_] = np.logical_and.accumulate(condition[::-1])[::-1]
    return held


def _first(condition: npt.NDArray[np.bool_]) -> int:
    """Index of the first True, or the length if there is none."""
    return int(np.argmax(condition)) if condition.any() else len(condition)
