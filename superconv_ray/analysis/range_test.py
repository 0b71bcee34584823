"""Reading an LR range test (Smith 2017, arXiv 1506.01186, section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

SMOOTHING = 0.1
"""Width of the moving average, as a fraction of the curve's points."""
DECIMALS = 9
"""To which smoothed accuracies are compared: finer than one sample in millions, and coarser than
rounding errors, which would else decide between equal peaks."""

Curve = tuple[npt.ArrayLike, npt.ArrayLike]
"""Learning rates and accuracies of one range test, in the order of its steps."""


def smooth(values: npt.ArrayLike, window: int) -> npt.NDArray[np.float64]:
    """Centred moving average; at the ends the window shrinks symmetrically, so none is shifted.

    Args:
        values: Shape [n].
        window: Points averaged; an even number is taken as the next odd one.
    """
    array = np.asarray(values, dtype=np.float64)
    total = np.concatenate(([0.0], np.cumsum(array)))
    position = np.arange(len(array))
    half = np.minimum(window // 2, np.minimum(position, len(array) - 1 - position))
    averaged: npt.NDArray[np.float64] = (total[position + half + 1] - total[position - half]) / (
        2 * half + 1
    )
    return averaged


def mean_curve(curves: Sequence[Curve]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
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


def accuracy_peak(curves: Sequence[Curve]) -> float:
    """Smith's rule: the learning rate at the peak of the smoothed mean accuracy.

    Of equal peaks the smallest rate is taken. Rounded to 3 significant digits: a curve knows no
    more, and a trial's id should not hang on the last bits.

    Args:
        curves: One (learning rates [n], accuracies [n]) per replicate.

    Raises:
        ValueError: As `mean_curve`; or no positive learning rate was reached.
    """
    rates, accuracy = mean_curve(curves)
    positive = rates > 0
    if not positive.any():
        raise ValueError("a range test must reach a learning rate > 0 before it diverges")
    smoothed = smooth(accuracy, max(3, round(SMOOTHING * len(accuracy)))).round(DECIMALS)
    return float(f"{rates[positive][int(np.argmax(smoothed[positive]))]:.3g}")
