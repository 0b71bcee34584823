"""Confidence intervals of means: Student's t and the bootstrap; needs numpy and scipy only."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

CONFIDENCE = 0.95
TAILS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
"""Levels of the quantiles between which that share lies."""
DECIMALS = 9
"""To which gaps are rounded: finer than one sample in millions, and coarser than rounding errors,
which would else tell equal gaps apart."""
RESAMPLES = 2_000

Floats = npt.NDArray[np.float64]


class Interval(NamedTuple):
    """A mean and its confidence interval; the ends are NaN where one value says nothing of them."""

    mean: float
    low: float
    high: float
    n: int


def check_confidence(confidence: float) -> None:
    """Reject what is no coverage.

    Raises:
        ValueError: The confidence is not in (0, 1).
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence}")


def mean_interval(values: npt.ArrayLike, confidence: float = CONFIDENCE) -> Interval:
    """Student's t interval of the mean.

    Args:
        values: Shape [n], one finite value a replicate.
        confidence: Coverage, in (0, 1).

    Raises:
        ValueError: There is no value, one that is not finite, or no such confidence.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not len(array) or not np.isfinite(array).all():
        raise ValueError(f"values must be at least one, and finite, got {array}")
    check_confidence(confidence)
    mean, n = float(array.mean()), len(array)
    if n == 1:
        return Interval(mean, math.nan, math.nan, 1)
    half = float(half_widths(array.std(ddof=1), n, confidence))
    return Interval(mean, mean - half, mean + half, n)


def half_widths(sd: npt.ArrayLike, n: npt.ArrayLike, confidence: float = CONFIDENCE) -> Floats:
    """Half the widths of Student's t intervals, from standard deviations and numbers of values.

    Args:
        sd: Standard deviations with n - 1 in the denominator, any shape; NaN where n is below 2.
        n: Numbers of values, of the same shape.
        confidence: Coverage, in (0, 1).
    """
    count = np.asarray(n, dtype=np.float64)
    freedom = np.where(count > 1, count - 1, np.nan)
    half: Floats = special.stdtrit(freedom, (1 + confidence) / 2) * np.asarray(sd) / np.sqrt(count)
    return half


def bootstrap_intervals(
    values: Floats,
    generator: np.random.Generator,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> tuple[Floats, Floats]:
    """BCa bootstrap intervals of many means at once (Efron 1987, J. Am. Stat. Assoc. 82, 171-185).

    They follow the data's skew, which t intervals do not, but are too narrow for few values: of
    normal data, a 95 % interval was found to hold the mean in 73 % of 4,000 cases with 3 values,
    85 % with 5, 91 % with 10 and 93 % with 20.

    Args:
        values: Shape [cells, n], n >= 2.
        generator: Draws the resamples, the same for all cells.
        confidence: Coverage, in (0, 1).
        resamples: How many are drawn.

    Returns:
        Lower and upper ends, each of shape [cells].
    """
    n = values.shape[1]
    weights = generator.multinomial(n, np.full(n, 1 / n), size=resamples) / n
    deviations = values - values.mean(axis=1, keepdims=True)
    means = np.sort((deviations @ weights.T).round(DECIMALS), axis=1)
    bias = special.ndtri(((means < 0).mean(axis=1) + (means <= 0).mean(axis=1)) / 2)
    squares = (deviations**2).sum(axis=1) ** 1.5
    # The jackknife's estimate of the acceleration, which for a mean comes to a sixth of its skew.
    acceleration = np.divide(
        (deviations**3).sum(axis=1), 6 * squares, where=squares > 0, out=np.zeros(len(values))
    )
    ends = []
    for level in ((1 - confidence) / 2, (1 + confidence) / 2):
        z = bias + special.ndtri(level)
        quantiles = _sorted_quantiles(means, special.ndtr(bias + z / (1 - acceleration * z)))
        ends.append(values.mean(axis=1) + quantiles)
    return ends[0], ends[1]


def _sorted_quantiles(rows: Floats, levels: Floats) -> Floats:
    """One quantile of each sorted row, linearly interpolated; rows [cells, n], levels [cells]."""
    position = levels * (rows.shape[1] - 1)
    left = np.floor(position).astype(int)
    right = np.minimum(left + 1, rows.shape[1] - 1)
    cell = np.arange(len(rows))
    quantiles: Floats = rows[cell, left] + (position - left) * (
        rows[cell, right] - rows[cell, left]
    )
    return quantiles
