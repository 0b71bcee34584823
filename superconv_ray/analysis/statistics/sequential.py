"""One level for every look, so that t tests hold although you look at the data repeatedly.

Needs only numpy and scipy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import special

from superconv_ray.analysis.statistics.intervals import Floats

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(96)
_GRID = 97
"""Angles at which the chance of a later crossing is known; between them it is interpolated."""


def level_per_look(alpha: float, looks: Sequence[int]) -> float:
    """Two-sided level of each look's t test that makes all looks err together with chance alpha.

    A group-sequential test with the same level at every look (Pocock 1977, Biometrika 64, 191-199),
    computed for t tests on few values, not for normal ones with known variance. The chance that any
    look rejects a true null hypothesis is exactly `alpha` for independent normal values if the
    looks are those given, and less if some of them are left out.

    Args:
        alpha: Chance that any look errs, in (0, 1).
        looks: Number of values at each look, at least 2 and ascending; empty for a single look.

    Returns:
        A level in (0, alpha]: alpha itself for one look, 0.0105 for alpha = 0.05 with a look after
        each value from the third to the twelfth. Dividing alpha by the looks would give 0.005.

    Raises:
        ValueError: The looks are not ascending numbers of at least 2.
    """
    counts = tuple(map(int, looks))
    if list(counts) != sorted({*counts}) or any(count < 2 for count in counts):
        raise ValueError(f"looks must be ascending numbers of pairs >= 2, got {list(looks)}")
    return alpha if len(counts) < 2 else _level(alpha, counts)


@lru_cache(maxsize=256)
def _level(alpha: float, looks: tuple[int, ...]) -> float:
    from scipy.optimize import brentq  # slow to import

    def excess(log_level: float) -> float:
        return crossing_probability(math.exp(log_level), looks) - alpha

    least, most = math.log(alpha / len(looks)), math.log(alpha)  # Bonferroni, and a single look
    if excess(least) >= 0:  # by rounding: the looks are almost independent
        return alpha / len(looks)
    return math.exp(float(brentq(excess, least, most, xtol=1e-5)))


def crossing_probability(level: float, looks: tuple[int, ...]) -> float:
    """Probability that any look's two-sided t test at a level rejects a true null hypothesis.

    It is computed to about 0.3 % of itself.

    The t statistic of n values with mean 0 is a function of the angle between them, as a vector,
    and the plane on which their sum is 0. These angles are a Markov chain: their next value depends
    on the present one and on the next value relative to the root of the sum of squares, which is t
    distributed and independent of the past. Going backwards from the last look, the probability to
    cross later is an integral over that value (after Armitage, McPherson & Rowe 1969, J. R. Stat.
    Soc. A 132, 235-244, who did this for normal values with known variance).

    Args:
        level: Of each look, in (0, 1).
        looks: Number of values at each look, ascending, at least 2.
    """
    first, last = looks[0], looks[-1]
    bounds = {n: _bound(level, n) for n in looks}
    angles = _angles_up_to(bounds[last])
    later = np.zeros(_GRID)
    for n in range(last - 1, first - 1, -1):
        before = _angles_up_to(bounds[n]) if n in bounds else np.linspace(0, _reach(n), _GRID)
        angles, later = before, _crossing_later(before, n, bounds.get(n + 1), angles, later)
    angle, weight = _quadrature(np.array(-bounds[first]), np.array(bounds[first]))
    weight = weight * np.cos(angle) ** (first - 2) / special.beta((first - 1) / 2, 0.5)
    return level + float((weight * _interpolated(np.abs(angle), angles, later)).sum())


def _bound(level: float, n: int) -> float:
    """The angle at which the t test of n values begins to reject."""
    return math.atan(special.stdtrit(n - 1, 1 - level / 2) / math.sqrt(n - 1))


def _crossing_later(
    before: Floats, n: int, bound: float | None, angles: Floats, later: Floats
) -> Floats:
    """Probability to cross after n values, for angles before; without a look at n + 1 if no bound.

    Args:
        before: Angles of n values, >= 0: the chain is symmetric.
        n: Number of values.
        bound: Angle of n + 1 values at which the test rejects, if there is a look.
        angles: Angles of n + 1 values.
        later: Probability to cross after n + 1 values, at these angles.
    """
    # With a new value of angle phi, sqrt(n + 1) sin(next angle) = total cos(phi) + sin(phi), which
    # is hypot(1, total) sin(phi + shift).
    total = math.sqrt(n) * np.sin(before)
    shift = np.arctan(total)
    highest = math.sqrt(n + 1) * math.sin(math.pi / 2 if bound is None else bound)
    turn = np.arcsin(np.minimum(highest / np.hypot(1, total), 1))
    reach = _reach(n)
    staying, crossing = np.zeros(_GRID), np.zeros(_GRID)
    # The test does not reject between these angles, nor beyond the one at which a new value widens
    # the spread more than it moves the mean.
    for low, high in ((-turn - shift, turn - shift), (math.pi - turn - shift, math.pi / 2)):
        phi, weight = _quadrature(np.maximum(low, -reach), np.minimum(high, reach))
        weight = weight * np.cos(phi) ** (n - 1) / special.beta(n / 2, 0.5)
        sine = (total[:, np.newaxis] * np.cos(phi) + np.sin(phi)) / math.sqrt(n + 1)
        angle = np.arcsin(np.minimum(np.abs(sine), 1))
        staying += weight.sum(axis=1)
        crossing += (weight * _interpolated(angle, angles, later)).sum(axis=1)
    return 1 - staying + crossing


def _angles_up_to(most: float) -> Floats:
    """Angles between 0 and another, densest next to that one, where crossing becomes likely."""
    angles: Floats = most * (1 - np.linspace(1, 0, _GRID) ** 2)
    return angles


def _reach(n: int) -> float:
    """The angle beyond which the density of n values is negligible."""
    return min(math.pi / 2, 9 / math.sqrt(n))


def _interpolated(angle: Floats, angles: Floats, later: Floats) -> Floats:
    """`later` between its angles by cubics: the errors of straight lines add up over n."""
    from scipy.interpolate import PchipInterpolator  # slow to import

    found: Floats = PchipInterpolator(angles, later)(np.minimum(angle, angles[-1]))
    return found


def _quadrature(low: npt.ArrayLike, high: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Nodes and weights of Gauss and Legendre between each pair of ends; none if they cross."""
    start, end = (np.asarray(side, dtype=np.float64)[..., np.newaxis] for side in (low, high))
    half = np.maximum(end - start, 0) / 2
    return (start + end) / 2 + half * _NODES, half * _WEIGHTS
