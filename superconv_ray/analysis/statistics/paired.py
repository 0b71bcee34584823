"""What gaps paired by seed say: significance, size, and how many more would decide.

Arrays in, arrays out: the rows of `gaps` [cells, n] are comparisons, the columns their pairs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from superconv_ray.analysis.statistics.intervals import DECIMALS, Floats

EXACT_UP_TO = 16
"""Largest number of pairs of which every pattern of signs is tried."""
PATTERNS = 9_999
"""Patterns of signs drawn at random where there are too many to try them all."""
POWER = 0.8
MAX_SEEDS = 1_000
"""Most seeds that are still given as an answer."""


def sign_flip_p(gaps: Floats, generator: np.random.Generator) -> Floats:
    """Two-sided p-values of the paired permutation test (Fisher 1935, Design of Experiments, §21).

    If the arms of a pair are exchangeable, every gap could as well have had the other sign. p is
    the share of sign patterns whose sum is at least as far from 0 as the one observed: exact up to
    `EXACT_UP_TO` pairs. Of more, patterns are drawn and the observed one counts among them, which
    keeps the test valid (Phipson & Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9, 39).

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
    # What was observed comes first; rounding errors must not tell equal sums apart.
    return np.array([(np.abs(row) >= abs(row[0]) - 10**-DECIMALS).mean() for row in sums])


def _sums_of_all_signs(gaps: Floats) -> Floats:
    """Sums under every sign pattern [2^(n - 1)], the observed one first.

    The first sign stays: a pattern and its opposite are equally far from 0.
    """
    sums = gaps[:1]
    for gap in gaps[1:]:
        sums = np.concatenate((sums + gap, sums - gap))
    return sums


def smallest_p(n: int) -> float:
    """The smallest p-value that `sign_flip_p` can give for n pairs."""
    return float(0.5 ** (n - 1)) if n <= EXACT_UP_TO else 1 / (PATTERNS + 1)


def holm(p: npt.ArrayLike) -> Floats:
    """p-values corrected for how many there are (Holm 1979, Scand. J. Stat. 6, 65-70).

    Whoever takes for real what is below alpha here errs anywhere at all with a chance of at most
    alpha.

    Args:
        p: Shape [m]; NaN stands for a test that could not be made, and stays NaN.
    """
    values = np.asarray(p, dtype=np.float64)
    corrected = np.full(len(values), np.nan)
    order = np.argsort(values)[: int(np.isfinite(values).sum())]  # NaN comes last
    remaining = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1, np.maximum.accumulate(remaining * values[order]))
    return corrected


def hedges_d(mean: npt.ArrayLike, sd: npt.ArrayLike, n: npt.ArrayLike) -> Floats:
    """Paired effect size: mean gap in standard deviations, without its bias for small n.

    Cohen's d_z times Hedges' exact correction (Hedges 1981, J. Educ. Stat. 6, 107-128, eq. 6e).
    NaN with fewer than 3 pairs, of which no unbiased one exists, and where the gaps do not differ.

    Args:
        mean: Means of gaps, any shape.
        sd: Their standard deviations, 0 where the gaps do not differ.
        n: Their numbers of pairs.
    """
    count, spread = np.asarray(n, dtype=np.float64), np.asarray(sd, dtype=np.float64)
    freedom = np.where(count > 2, count - 1, np.nan)
    correction = np.exp(special.gammaln(freedom / 2) - special.gammaln((freedom - 1) / 2))
    scale = correction * np.sqrt(2 / freedom)
    effect: Floats = scale * np.asarray(mean) / np.where(spread > 0, spread, np.nan)
    return effect


def improvement_probability(gaps: Floats) -> Floats:
    """Share of pairs with a gap above 0, ties counted half; [cells, n] to [cells].

    The paired form of rliable's probability of improvement (Agarwal et al. 2021, arXiv 2108.13264,
    section 4.3): how often the arm beats the baseline from the same start.
    """
    share: Floats = ((gaps > 0).mean(axis=1) + (gaps >= 0).mean(axis=1)) / 2
    return share


def seeds_needed(distance: npt.ArrayLike, sd: npt.ArrayLike, confidence: float) -> Floats:
    """How many pairs put a t interval clear of a bound, with a chance of `POWER`.

    The gaps are taken as normal, their true mean and standard deviation as those given here. The
    power of the one-sample t test follows from the noncentral t distribution.

    Args:
        distance: How far the mean lies from the bound, on the right side of it; any shape.
        sd: Standard deviations of the gaps, same shape.
        confidence: Coverage of the interval.

    Returns:
        Numbers of pairs, NaN where it takes more than `MAX_SEEDS` or sd is 0 or NaN.
    """
    n = np.arange(2, MAX_SEEDS + 1)
    critical = special.stdtrit(n - 1, (1 + confidence) / 2)
    detectable = special.nctdtrinc(n - 1, 1 - POWER, critical) / np.sqrt(n)  # falls with n
    spread = np.asarray(sd, dtype=np.float64)
    effect = np.asarray(distance) / np.where(spread > 0, spread, np.nan)
    index = np.searchsorted(-detectable, -effect)
    return np.where(index < len(n), n[np.minimum(index, len(n) - 1)], np.nan)
