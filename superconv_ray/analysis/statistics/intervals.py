"""Confidence intervals of means: Student's t and the bootstrap. Needs only numpy and scipy."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from superconv_ray.design.metrics import Metric

CONFIDENCE = 0.95
TAILS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
"""Levels of the quantiles that enclose this share."""
DECIMALS = 9
"""Decimals to which accuracies and their gaps are rounded before they are compared: finer than one
sample in millions, and coarser than the rounding errors that would make equal values differ."""
RESAMPLES = 2_000
SEED = 0
"""Seed of every bootstrap and of random sign patterns: the same trials give the same numbers."""

Floats = npt.NDArray[np.float64]


class Interval(NamedTuple):
    """A mean and its confidence interval over n values; with one value, both ends are NaN."""

    mean: float
    low: float
    high: float
    n: int


def mean_interval(values: npt.ArrayLike, confidence: float = CONFIDENCE) -> Interval:
    """Student's t interval of a mean.

    Args:
        values: Shape [n], one finite value per replicate.
        confidence: Coverage, in (0, 1).

    Raises:
        ValueError: No value, or a value that is not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not len(array) or not np.isfinite(array).all():
        raise ValueError(f"values must be at least one, and finite, got {array}")
    mean, n = float(array.mean()), len(array)
    if n == 1:
        return Interval(mean, math.nan, math.nan, 1)
    half = float(half_widths(array.std(ddof=1), n, confidence))
    return Interval(mean, mean - half, mean + half, n)


def half_widths(sd: npt.ArrayLike, n: npt.ArrayLike, confidence: float = CONFIDENCE) -> Floats:
    """Half the widths of Student's t intervals, t(n - 1) sd / sqrt(n).

    Such an interval is exact for independent normal values. It is too short for skewed ones.

    Args:
        sd: Standard deviations with n - 1 in the denominator, any shape; NaN where n is below 2.
        n: Numbers of values, same shape.
        confidence: Coverage, in (0, 1).
    """
    count = np.asarray(n, dtype=np.float64)
    freedom = np.where(count > 1, count - 1, np.nan)
    half: Floats = special.stdtrit(freedom, (1 + confidence) / 2) * np.asarray(sd) / np.sqrt(count)
    return half


def interval_ends(
    metric: Metric, mean: npt.ArrayLike, sd: npt.ArrayLike, n: npt.ArrayLike
) -> tuple[Floats, Floats]:
    """Ends of the 95 % intervals of means, which do not leave the range of the values.

    Means of shares, such as accuracies, get the interval of `accuracy_ends`. Other means get
    Student's t interval, cut off at the range that the values can have. A true mean lies in that
    range, so the cut costs no coverage.

    Args:
        metric: What the values are.
        mean: Means, any shape.
        sd: Standard deviations with n - 1 in the denominator, same shape; NaN where n is below 2.
        n: Numbers of values, same shape.

    Returns:
        Lower and upper ends, NaN where sd is NaN.
    """
    if metric.share:
        return accuracy_ends(mean, sd, n)
    center, half = np.asarray(mean, dtype=np.float64), half_widths(sd, n)
    return np.maximum(center - half, metric.least), np.minimum(center + half, metric.most)


def accuracy_ends(
    mean: npt.ArrayLike, sd: npt.ArrayLike, n: npt.ArrayLike
) -> tuple[Floats, Floats]:
    """Ends of the 95 % intervals of mean accuracies: Student's t interval on the logit scale.

    By the delta method, the logit of a mean m has the standard error sd / sqrt(n) / (m (1 - m)).
    Student's interval around it, transformed back, lies inside (0, 1); surveys use the same for
    proportions (Korn & Graubard 1998, Survey Methodology 24, 193-201). Away from 0 and 1 it is
    close to Student's own interval. Close to them it follows the skew of accuracies, which
    Student's symmetric interval does not: that one reaches beyond 100 % and covers too little.

    Coverage of 95 % intervals over n seeds, from 40,000 draws of beta-distributed accuracies:

    ============  =====  ====  ====  ====  ====
    mean +- sd    n          2     3     5    10
    ============  =====  ====  ====  ====  ====
    90 +- 3 %     t      94.8  94.7  94.5  94.4
    90 +- 3 %     logit  95.0  95.1  95.0  94.8
    97 +- 2 %     t      93.6  92.4  92.2  92.9
    97 +- 2 %     logit  94.9  95.0  94.6  94.3
    99 +- 1 %     t      91.1  88.5  88.3  90.1
    99 +- 1 %     logit  95.0  94.5  93.4  93.2
    ============  =====  ====  ====  ====  ====

    With two seeds close to 100 % it is very wide: they say little about the mean. It fails where a
    rare collapse is missing from the seeds: for 98 +- 3 % it covers 90 % (t: 81 %) with n = 5.

    Args:
        mean: Means in [0, 1], any shape.
        sd: Standard deviations with n - 1 in the denominator, same shape; NaN where n is below 2.
        n: Numbers of values, same shape.
    """
    return share_ends(mean, half_widths(sd, n))


def share_ends(mean: npt.ArrayLike, half: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Ends of intervals of mean shares on the logit scale, from half the widths of t intervals.

    Args:
        mean: Means in [0, 1], any shape.
        half: Half the widths, same shape; NaN where it is unknown.
    """
    center, half = np.asarray(mean, dtype=np.float64), np.asarray(half, dtype=np.float64)
    spread = np.divide(half, center * (1 - center), out=half.copy(), where=half > 0)
    with np.errstate(invalid="ignore"):  # an accuracy of exactly 0 or 1 has no spread
        low, high = (special.expit(special.logit(center) + side * spread) for side in (-1, 1))
    return np.where(half == 0, center, low), np.where(half == 0, center, high)


def bootstrap_intervals(
    values: Floats, generator: np.random.Generator, resamples: int = RESAMPLES
) -> tuple[Floats, Floats]:
    """95 % BCa bootstrap intervals of many means (Efron 1987, J. Am. Stat. Assoc. 82, 171-185).

    They follow the skew of the values, which t intervals do not, but they are too narrow for few
    values. In 4,000 simulations with normal values, a 95 % interval covered the mean in 73 % of the
    cases with 3 values, 85 % with 5, 91 % with 10 and 93 % with 20.

    Args:
        values: Shape [cells, n], n >= 2.
        generator: Draws the resamples, the same for all cells.
        resamples: Number of resamples.

    Returns:
        Lower and upper ends, each of shape [cells].
    """
    n = values.shape[1]
    weights = generator.multinomial(n, np.full(n, 1 / n), size=resamples) / n
    deviations = values - values.mean(axis=1, keepdims=True)
    means = np.sort((deviations @ weights.T).round(DECIMALS), axis=1)
    bias = special.ndtri(((means < 0).mean(axis=1) + (means <= 0).mean(axis=1)) / 2)
    squares = (deviations**2).sum(axis=1) ** 1.5
    # The jackknife estimate of the acceleration: for a mean, a sixth of the skewness of its values.
    acceleration = np.divide(
        (deviations**3).sum(axis=1), 6 * squares, where=squares > 0, out=np.zeros(len(values))
    )
    ends = []
    for level in TAILS:
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
