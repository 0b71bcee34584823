"""Statistics of paired gaps: significance and effect size. Arrays in, arrays out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from superconv_ray.analysis.statistics.crossed import crossed_half_widths, crossed_p
from superconv_ray.analysis.statistics.intervals import Floats


class StandardErrors(NamedTuple):
    """Standard errors of mean gaps, and their degrees of freedom."""

    error: Floats
    freedom: Floats
    of_samples: npt.ArrayLike = 0.0
    """What the choice of the test samples adds; 0 if they are taken as given."""


def standard_errors(sd: npt.ArrayLike, n: npt.ArrayLike) -> StandardErrors:
    """Standard errors of the means of n paired gaps; NaN for fewer than two.

    Args:
        sd: Standard deviations of the gaps with n - 1 in the denominator, any shape.
        n: Numbers of pairs, same shape.
    """
    count = np.asarray(n, dtype=np.float64)
    count = np.where(count > 1, count, np.nan)
    return StandardErrors(np.asarray(sd, dtype=np.float64) / np.sqrt(count), count - 1)


def paired_t(mean: npt.ArrayLike, errors: StandardErrors, level: float) -> tuple[Floats, Floats]:
    """Student's paired t test: half the width of the interval of 1 - level, and the two-sided p.

    The interval leaves 0 out if and only if p is below `level`. Both are NaN where the standard
    error is 0 or unknown, but the half width is 0 where the standard error is.

    Args:
        mean: Mean gaps, any shape.
        errors: Their standard errors.
        level: In (0, 1).
    """
    half = crossed_half_widths(*errors, level)
    t = np.abs(mean) / np.where(errors.error > 0, errors.error, np.nan)
    p = 2 * special.stdtr(errors.freedom, -t)
    return half, np.where(np.asarray(errors.of_samples) > 0, crossed_p(mean, *errors), p)


def hedges_d(mean: npt.ArrayLike, sd: npt.ArrayLike, n: npt.ArrayLike) -> Floats:
    """Paired effect size: the mean gap in standard deviations, unbiased for small n.

    This is Cohen's d_z times Hedges' exact correction (Hedges 1981, J. Educ. Stat. 6, 107-128, eq.
    6e). It is NaN for equal gaps, and for fewer than 3 pairs, which have no unbiased estimate.

    Args:
        mean: Means of gaps, any shape.
        sd: Their standard deviations, 0 where all gaps are equal.
        n: Their numbers of pairs.
    """
    count, spread = np.asarray(n, dtype=np.float64), np.asarray(sd, dtype=np.float64)
    freedom = np.where(count > 2, count - 1, np.nan)
    correction = np.exp(special.gammaln(freedom / 2) - special.gammaln((freedom - 1) / 2))
    scale = correction * np.sqrt(2 / freedom)
    effect: Floats = scale * np.asarray(mean) / np.where(spread > 0, spread, np.nan)
    return effect


def improvement_probability(gaps: Floats) -> Floats:
    """Share of pairs with a gap above 0; ties count half; [cells, n] to [cells].

    The paired form of rliable's probability of improvement (Agarwal et al. 2021, arXiv 2108.13264,
    section 4.3): how often the arm beats the baseline from the same start.
    """
    share: Floats = ((gaps > 0).mean(axis=1) + (gaps >= 0).mean(axis=1)) / 2
    return share
