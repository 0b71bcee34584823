"""Statistics of paired gaps: significance, effect size, and the pairs needed for a decision.

Arrays in, arrays out: each row of `gaps` [cells, n] is a comparison, each column a pair.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from superconv_ray.analysis.statistics.intervals import DECIMALS, Floats

EXACT_UP_TO = 16
"""Largest number of pairs for which all sign patterns are tried."""
PATTERNS = 9_999
"""Number of random sign patterns if there are more pairs."""
POWER = 0.8
MAX_SEEDS = 1_000
"""Largest number of pairs that `seeds_needed` returns."""


def sign_flip_p(gaps: Floats, generator: np.random.Generator) -> Floats:
    """Two-sided p-values of the paired permutation test (Fisher 1935, Design of Experiments, §21).

    If the two arms of a pair are exchangeable, each gap could equally well have the other sign. p
    is the share of sign patterns whose sum is at least as far from 0 as the observed sum. The test
    is exact up to `EXACT_UP_TO` pairs. For more pairs, random patterns are drawn and the observed
    one is counted among them, which keeps the test valid (Phipson & Smyth 2010, Stat. Appl. Genet.
    Mol. Biol. 9, 39). With n pairs, p is at least 2^(1 - n): five pairs can never reach 0.05.

    Args:
        gaps: Shape [cells, n], n >= 1.
        generator: Draws the patterns, the same for all cells; not used where the test is exact.

    Returns:
        Shape [cells].
    """
    n = gaps.shape[1]
    if n <= EXACT_UP_TO:
        sums = (_sums_of_all_signs(row) for row in gaps)
    else:
        signs = generator.choice((-1.0, 1.0), size=(PATTERNS + 1, n))
        signs[0] = 1
        sums = iter(gaps @ signs.T)
    # The observed sum comes first. Sums that differ by rounding errors are equal.
    return np.array([(np.abs(row) >= abs(row[0]) - 10**-DECIMALS).mean() for row in sums])


def _sums_of_all_signs(gaps: Floats) -> Floats:
    """Sums under all sign patterns [2^(n - 1)], the observed sum first.

    The first sign is fixed, because a pattern and its opposite are equally far from 0.
    """
    sums = gaps[:1]
    for gap in gaps[1:]:
        sums = np.concatenate((sums + gap, sums - gap))
    return sums


def smallest_p(n: npt.ArrayLike) -> Floats:
    """The smallest p-values that `sign_flip_p` can give for n pairs; any shape."""
    pairs = np.asarray(n, dtype=np.float64)
    return np.where(pairs <= EXACT_UP_TO, 0.5 ** (pairs - 1), 1 / (PATTERNS + 1))


def holm(p: npt.ArrayLike) -> Floats:
    """Correct p-values for their number (Holm 1979, Scand. J. Stat. 6, 65-70).

    The chance that any true null hypothesis has a corrected p below alpha is at most alpha, however
    the tests depend on each other.

    Args:
        p: Shape [m]; NaN marks a test that was impossible, does not count, and stays NaN.
    """
    values = np.asarray(p, dtype=np.float64)
    corrected = np.full(len(values), np.nan)
    order = np.argsort(values)[: int(np.isfinite(values).sum())]  # NaN comes last
    remaining = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1, np.maximum.accumulate(remaining * values[order]))
    return corrected


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


def seeds_needed(distance: npt.ArrayLike, sd: npt.ArrayLike, confidence: float) -> Floats:
    """Number of pairs with which a t interval excludes a bound with probability `POWER`.

    The power of the one-sample t test follows from the noncentral t distribution. The gaps are
    assumed to be normal, with the given mean and standard deviation as the true ones; estimates of
    few pairs make the answer rough.

    Args:
        distance: Distance of the mean from the bound, any shape.
        sd: Standard deviations of the gaps, same shape.
        confidence: Coverage of the interval.

    Returns:
        Numbers of pairs; NaN if more than `MAX_SEEDS` are needed or sd is 0 or NaN.
    """
    n = np.arange(2, MAX_SEEDS + 1)
    critical = special.stdtrit(n - 1, (1 + confidence) / 2)
    detectable = special.nctdtrinc(n - 1, 1 - POWER, critical) / np.sqrt(n)  # falls with n
    spread = np.asarray(sd, dtype=np.float64)
    effect = np.asarray(distance) / np.where(spread > 0, spread, np.nan)
    index = np.searchsorted(-detectable, -effect)
    return np.where(index < len(n), n[np.minimum(index, len(n) - 1)], np.nan)
