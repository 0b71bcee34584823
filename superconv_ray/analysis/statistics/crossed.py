"""Standard errors of means over seeds and test samples: a finite test set is a random choice too.

Every seed is measured on the same test samples. Both are random, and crossed: the mean of the table
[seeds, samples] varies with the seeds, with the samples, and with how seeds and samples interact.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from superconv_ray.analysis.statistics.intervals import CONFIDENCE, Interval


class CrossedError(NamedTuple):
    """Standard error of the mean of a table [seeds, samples].

    Attributes:
        error: The standard error.
        freedom: Its degrees of freedom, at least the number of seeds minus 1.
        of_samples: Standard error that would remain with infinitely many seeds: more seeds do not
            reduce it, only a larger test set does.
    """

    error: float
    freedom: float
    of_samples: float


def crossed_error(table: npt.ArrayLike) -> CrossedError:
    """Standard error of a mean if other seeds and other test samples could have been drawn.

    With the two-way random-effects model value = mean + seed + sample + interaction, the variance
    of the mean is estimated without bias by V(seeds) + V(samples) - V(interaction). Each V is a
    mean square of the analysis of variance, divided by the size of the table (Searle, Casella &
    McCulloch 1992, Variance Components, section 4.3; the pigeonhole bootstrap of Owen & Eckles
    2012, Ann. Appl. Stat. 6, 895-927, estimates V(seeds) + V(samples) + V(interaction) instead).
    The degrees of freedom are Satterthwaite's (1946, Biometrics Bulletin 2, 110-114). If the
    samples seem to add a negative variance, they add nothing: the standard error is never below
    that of the seeds alone.

    In 2,000 simulated comparisons of two arms with 360 test samples, 95 % intervals covered the gap
    in the population of samples in 92.6 to 94.6 % of the cases with 3 seeds, and in 94.6 to 95.7 %
    with 5, 8 or 12. Intervals over seeds alone covered 72 to 95 % with 12 seeds, the worse the less
    the seeds vary. Percentiles of the pigeonhole bootstrap covered 76 to 99.7 %.

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
    added = v_samples - v_both
    if added <= 0:
        return CrossedError(v_seeds**0.5, seeds - 1.0, 0.0)
    of_squares = v_seeds**2 / (seeds - 1) + v_samples**2 / (samples - 1)
    of_squares += v_both**2 / ((seeds - 1) * (samples - 1))
    freedom = max((v_seeds + added) ** 2 / of_squares, seeds - 1.0)
    return CrossedError((v_seeds + added) ** 0.5, freedom, added**0.5)


def crossed_interval(table: npt.ArrayLike) -> Interval:
    """95 % t interval of the mean of a table [seeds, samples]; n is the number of seeds."""
    values = np.asarray(table, dtype=np.float64)
    mean, (error, freedom, _) = float(values.mean()), crossed_error(values)
    half = float(special.stdtrit(freedom, (1 + CONFIDENCE) / 2)) * error
    return Interval(mean, mean - half, mean + half, len(values))
