"""The accuracy curve of a range test without its spikes.

Accuracy at large learning rates jumps by tens of points from row to row, nearly always down. A
moving average follows such spikes. The *closing* used here does not: a running upper quantile,
which a window keeps as long as a fifth of its points are good, and then the matching lower
quantile, which moves the curve's edges back to where they were. It is the closing of mathematical
morphology with quantiles in place of maximum and minimum, so that a single lucky point does not
count either. `docs/statistics.md` compares it with the alternatives.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import rank_filter

from superconv_ray.analysis.statistics.intervals import DECIMALS, Floats

WINDOW = 0.1
"""Width of the running quantiles, as a fraction of the curve's points."""
TRIM = 5
"""One point in so many is beyond the upper quantile of a window, and beyond the lower one."""

FAST_FROM = 21
"""Windows from here on are filtered row by row: SciPy is then faster than on a matrix."""


def window(points: int) -> int:
    """Return the width of the running quantiles for a curve with that many points, which is odd.

    It is 1 up to 14 points: too few to tell a spike from an edge.
    """
    return round(WINDOW * points) // 2 * 2 + 1


def closing(values: Floats) -> Floats:
    """Take the running upper and then the running lower quantile; see the module.

    Spikes that leave a fifth of each window alone are removed. A curve that only rises or only
    falls keeps its place. Before its start the curve goes on as a line would, because a test starts
    untrained and rises. After its end it is mirrored, so that a last point in a spike does not
    count.

    Args:
        values: Shape [curves, n].
    """
    width = window(values.shape[1])
    before, beyond = width - 1, width // TRIM
    longer = np.pad(values, ((0, 0), (before, 0)), mode="reflect", reflect_type="odd")
    upper = _ranked(longer, width - 1 - beyond, width)
    return _ranked(upper, beyond, width)[:, before:]


def _ranked(values: Floats, rank: int, width: int) -> Floats:
    """The values of a rank in windows around each point."""
    ranked: Floats
    if width < FAST_FROM:
        ranked = rank_filter(values, rank, size=(1, width), mode="mirror")
    else:
        ranked = np.array([rank_filter(row, rank, size=width, mode="mirror") for row in values])
    return ranked


def measured_end(accuracy: Floats) -> int:
    """Number of points before the zeros at the end of a replicate's accuracies [n]."""
    return int(np.flatnonzero(accuracy).max(initial=-1)) + 1


def close_replicate(accuracy: Floats) -> Floats:
    """The closing of what a replicate measured; the zeros after its end stay zeros.

    Args:
        accuracy: Shape [n].
    """
    end = measured_end(accuracy)
    closed = np.zeros_like(accuracy)
    if end:
        closed[:end] = closing(accuracy[None, :end])[0]
    return closed


def robust_accuracy(accuracies: Floats) -> Floats:
    """Mean over replicates of their closings, shape [n].

    Args:
        accuracies: Shape [replicates, n]; 0 after a replicate has diverged.
    """
    mean: Floats = np.mean([close_replicate(row) for row in accuracies], axis=0)
    return mean.round(DECIMALS)
