"""Intervals of means over seeds and test samples: a finite test set is a random choice too.

Every seed is measured on the same test samples. Both are random, and crossed: the mean of the table
[seeds, samples] varies with the seeds, with the samples, and with how seeds and samples interact.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from superconv_ray.analysis.statistics.intervals import CONFIDENCE, Floats, Interval

BISECTIONS = 60
SEEDS, SEEDS_AND_SAMPLES = "seeds", "seeds and test samples"
"""What an interval is over."""
SMALLEST_P = 1e-15
"""Below this, quantiles of few degrees of freedom are not reliable."""


class CrossedError(NamedTuple):
    """The two parts of the standard error of the mean of a table [seeds, samples].

    Attributes:
        of_seeds: Standard error over seeds, for the test samples as they are.
        of_samples: What the choice of the test samples adds. More seeds do not reduce it, only a
            larger test set does.
    """

    of_seeds: float
    of_samples: float


def crossed_error(table: npt.ArrayLike) -> CrossedError:
    """Standard errors of a mean if other seeds and other test samples could have been drawn.

    With the two-way random-effects model value = mean + seed + sample + interaction, the variance
    of the mean is estimated without bias by V(seeds) + V(samples) - V(interaction). Each V is a
    mean square of the analysis of variance, divided by the size of the table (Searle, Casella &
    McCulloch 1992, Variance Components, section 4.3; the pigeonhole bootstrap of Owen & Eckles
    2012, Ann. Appl. Stat. 6, 895-927, estimates V(seeds) + V(samples) + V(interaction) instead).
    Samples that seem to add a negative variance add nothing.

    Args:
        table: Shape [seeds, samples], at least 2 of each: how much better the arm does with a seed
            on a test sample (-1, 0 or 1), or whether it is right.
    """
    values = np.asarray(table, dtype=np.float64)
    seeds, samples = values.shape
    of_seed, of_sample = values.mean(axis=1), values.mean(axis=0)
    mean = float(of_seed.mean())
    v_seeds = float(of_seed.var(ddof=1)) / seeds
    v_samples = float(of_sample.var(ddof=1)) / samples
    squares = (
        float((values**2).sum())
        - samples * float((of_seed**2).sum())
        - seeds * float((of_sample**2).sum())
        + seeds * samples * mean**2
    )
    v_both = squares / ((seeds - 1) * (samples - 1)) / (seeds * samples)
    return CrossedError(v_seeds**0.5, max(v_samples - v_both, 0.0) ** 0.5)


def crossed_covariance(tables: npt.ArrayLike) -> Floats:
    """Covariance of several means over the choice of the test samples, estimated without bias.

    `crossed_error` for means that share seeds and samples, such as the accuracies of several arms
    and budgets: the square of its `of_samples` is an element of the diagonal, if it is above 0.
    Any contrast of the means has the variance that the table of the contrast would give. With few
    samples an eigenvalue may be negative.

    Args:
        tables: Shape [means, seeds, samples], at least 2 seeds and samples.

    Returns:
        Shape [means, means].
    """
    values = np.asarray(tables, dtype=np.float32)
    seeds, samples = values.shape[1:]
    of_seed, of_sample = values.mean(axis=2), values.mean(axis=1)
    mean = of_sample.mean(axis=1, dtype=np.float64)
    centered = of_sample - mean[:, np.newaxis].astype(np.float32)
    rest = values - of_seed[:, :, np.newaxis] - centered[:, np.newaxis]  # interaction
    rest = rest.reshape(len(values), -1)
    by_sample = seeds * (centered @ centered.T).astype(np.float64) / (samples - 1)
    both = (rest @ rest.T).astype(np.float64) / ((seeds - 1) * (samples - 1))
    return np.asarray((by_sample - both) / (seeds * samples))


def crossed_half_widths(
    of_seeds: npt.ArrayLike, freedom: npt.ArrayLike, of_samples: npt.ArrayLike, level: npt.ArrayLike
) -> Floats:
    """Half the widths of intervals of 1 - level, from the two parts of `CrossedError`.

    Each part has a quantile of its own, Student's for the few seeds and the normal one for the many
    samples, and the products add up as squares (Banerjee 1960, Sankhya 22, 357-358). So the
    interval is never narrower than that over seeds, is equal to it where the samples add nothing,
    and covers at least 1 - level, also where many comparisons make the level small. One quantile
    with Satterthwaite's degrees of freedom does not: two seeds that are close by chance have a
    small variance, so that the many samples seem to make up nearly all of it.

    Args:
        of_seeds: Standard errors over seeds, any shape.
        freedom: Their degrees of freedom.
        of_samples: What the test samples add.
        level: In (0, 1).
    """
    tail = np.asarray(level, dtype=np.float64) / 2
    seeds = -special.stdtrit(np.asarray(freedom, dtype=np.float64), tail) * np.asarray(of_seeds)
    return np.asarray(np.hypot(seeds, -special.ndtri(tail) * np.asarray(of_samples)))


def crossed_p(
    mean: npt.ArrayLike, of_seeds: npt.ArrayLike, freedom: npt.ArrayLike, of_samples: npt.ArrayLike
) -> Floats:
    """Two-sided p-values: the levels at which `crossed_half_widths` are as large as the means.

    A p-value below `SMALLEST_P` is returned as that.

    Args:
        mean: Means, any shape; the other arguments are those of their half widths.
        of_seeds: As there.
        freedom: As there.
        of_samples: As there.
    """
    size = np.abs(np.asarray(mean, dtype=np.float64))
    low, high = np.full(size.shape, np.log(SMALLEST_P)), np.zeros(size.shape)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        wider = crossed_half_widths(of_seeds, freedom, of_samples, np.exp(middle)) > size
        low, high = np.where(wider, middle, low), np.where(wider, high, middle)
    return np.exp(high)


def crossed_interval(table: npt.ArrayLike, confidence: float = CONFIDENCE) -> Interval:
    """Interval of the mean of a table [seeds, samples]; n is the number of seeds."""
    values = np.asarray(table, dtype=np.float64)
    mean, (of_seeds, of_samples) = float(values.mean()), crossed_error(values)
    half = float(crossed_half_widths(of_seeds, len(values) - 1, of_samples, 1 - confidence))
    return Interval(mean, mean - half, mean + half, len(values))
