"""The top of an accuracy curve: its peak, its plateau, its collapse, and the max_lr to train with.

`recommended_max_lr` is the one place where a max_lr is read: a study's `from_range_test()`, the
advice of `lr-find` and its chart say the same number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from superconv_ray.analysis.range_tests.reading import (
    LRInterval,
    RangeTestCurve,
    stacked_curves,
    three_digits,
)
from superconv_ray.analysis.range_tests.robust import (
    close_replicate,
    measured_end,
    robust_accuracy,
    window,
)
from superconv_ray.analysis.statistics.intervals import Floats

PLATEAU_SHARE = 0.95
"""A rate belongs to the plateau if its accuracy is at least this share of the peak's. By this share
the plateaus of the published CIFAR-10 tests of 5k and 20k iterations (81.6 and 83.1 % at the peak,
78.4 and 78.5 % at LR 3) reach the end of the test; that of the CIFAR-100 test (51.8 %, 40.8 %) does
not."""
COLLAPSE_SHARE = 0.75
"""Accuracy has collapsed where it stays below this share of the peak's, and below the middle of its
rise, soon after the plateau. The published CIFAR-100 test, which falls to 79 % of its peak, does
not collapse; a test with two classes that falls from 70 % to chance does."""
SAFETY = 1.5
"""max_lr is at most the rate of collapse divided by this: the test crosses a rate in a few steps,
while a training spends hundreds of steps there."""


class Top(NamedTuple):
    """What an accuracy curve shows, in learning rates.

    Attributes:
        peak_accuracy: Highest robust accuracy.
        peak_lr: Where it is; on a flat top, the middle of the equal points.
        plateau: From the first to the last rate with at least `PLATEAU_SHARE` of that accuracy.
            What dips between them does not end it.
        collapses: The rate at which each replicate collapsed or diverged, NaN for the others.
        max_lr: The recommended rate; see `recommended_max_lr`.
    """

    peak_accuracy: float
    peak_lr: float
    plateau: LRInterval
    collapses: Floats
    max_lr: float

    @property
    def collapse_lr(self) -> float:
        """The lowest rate at which a replicate collapsed, or NaN."""
        return float(np.fmin.reduce(self.collapses))


def recommended_max_lr(curves: Sequence[RangeTestCurve]) -> float:
    """The max_lr to train with: the middle of the plateau, well below any collapse.

    The plateau is all rates whose robust accuracy is at least 95 % of the best, and its middle is
    the geometric one. Around a distinct peak that is the peak (Smith's max_lr). On a broad, nearly
    flat top the place of the highest point is chance, and the middle is not. If a replicate
    collapses or diverges, max_lr is at most two thirds of that rate.

    The rate is rounded to 3 significant digits: a curve is no more precise, and a trial's id must
    not depend on the last bits.

    Args:
        curves: One per replicate.

    Raises:
        ValueError: No curve has a point; replicates have different learning rates; or no positive
            learning rate was reached.
    """
    rates, accuracies = stacked_curves(curves)
    return read_top(rates, accuracies, np.array([curve.lost for curve in curves])).max_lr


def read_top(rates: Floats, accuracies: Floats, lost: Floats) -> Top:
    """Read the top of a range test.

    Args:
        rates: Shape [points]; points at a rate of 0 are ignored.
        accuracies: Shape [replicates, points]; 0 after a replicate has diverged.
        lost: Rate at which each replicate was found to have diverged, NaN for the others.

    Raises:
        ValueError: No positive learning rate was reached.
    """
    positive = rates > 0
    if not positive.any():
        raise ValueError("a range test must reach a learning rate > 0 before it diverges")
    rates, robust = rates[positive], robust_accuracy(accuracies)[positive]
    highest = np.flatnonzero(robust == robust.max())
    collapses = np.array(
        [
            _collapse(rates, close_replicate(row)[positive], rate)
            for row, rate in zip(accuracies, lost, strict=True)
        ]
    )
    limit = float(np.fmin.reduce(collapses))
    return Top(
        peak_accuracy=float(robust.max()),
        peak_lr=float(rates[highest[(len(highest) - 1) // 2]]),
        plateau=LRInterval(*map(float, rates[plateau_ends(robust)])),
        collapses=collapses,
        max_lr=three_digits(float(plateau_middles(rates, robust, limit))),
    )


def plateau_ends(robust: Floats) -> Floats:
    """Indices of the plateau's first and last point, shape [2, ...].

    Args:
        robust: Shape [..., n].
    """
    inside = robust >= PLATEAU_SHARE * robust.max(axis=-1, keepdims=True)
    last = robust.shape[-1] - 1 - inside[..., ::-1].argmax(axis=-1)
    return np.array([inside.argmax(axis=-1), last])


def plateau_middles(rates: Floats, robust: Floats, collapse_lr: float) -> Floats:
    """Geometric middle of each curve's plateau; less if a collapse is near, but within the test.

    Args:
        rates: Shape [n], all > 0.
        robust: Shape [..., n].
        collapse_lr: Lowest rate of collapse, or NaN.
    """
    first, last = plateau_ends(robust)
    middles = np.fmin(np.sqrt(rates[first] * rates[last]), collapse_lr / SAFETY)
    within: Floats = np.maximum(middles, rates[0])
    return within


def _collapse(rates: Floats, robust: Floats, lost: float) -> float:
    """The rate from which on a replicate's accuracy has collapsed; NaN if it does not.

    A collapse is abrupt and lasts: it takes at most half a window of `closing`, and at least a
    window of points follows. A slow fall is the other side of a peak; a short one at the end is a
    spike.

    Args:
        rates: Shape [n].
        robust: Shape [n], the closing of the replicate.
        lost: The rate at which it was found to have diverged, or NaN.
    """
    width = window(len(rates))
    if math.isfinite(lost):  # the zeros that follow are no measurements
        measured = max(1, measured_end(robust))
        rates, robust = rates[:measured], robust[:measured]
    peak = int(np.argmax(robust))
    middle = (robust[: peak + 1].min() + robust[peak]) / 2
    standing = np.flatnonzero(robust >= min(middle, COLLAPSE_SHARE * robust[peak]))
    collapse = int(standing[-1]) + 1
    abrupt = collapse - plateau_ends(robust)[1] <= width // 2 + 1
    lasts = len(rates) - collapse >= width
    return float(rates[collapse]) if abrupt and lasts else float(lost)
