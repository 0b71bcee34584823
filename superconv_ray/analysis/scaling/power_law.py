"""Least squares for error = a n^-b + c, many times at once, by variable projection.

For a given exponent the law is linear in a and c, so both have closed forms. Only exponents are
searched: first on a lattice that all curves share, then with Newton steps from each curve's best
point. This fits thousands of redrawn curves together and needs no initial guess.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from superconv_ray.analysis.statistics.intervals import Floats

EXPONENTS = (0.02, 3.0)
"""Bounds of b; published exponents are 0.07 to 0.35 (Hestness 2017, arXiv 1712.00409)."""
RESOLUTION = 1e-3
"""Smallest error that weights distinguish: no accuracy is known more precisely."""
SMALLEST_SCALE = 1e-12
"""Stands for a = 0, so that a ratio of two can be taken."""
LATTICE = 49
"""Number of exponents tried; neighbors differ by a tenth."""
NEWTON_STEPS = 8
REACH = 4.0
"""Longest Newton step, in spacings of the surrounding points."""

Quadratic = tuple[Floats, Floats, Floats]
"""alpha, beta, gamma of ``alpha c^2 - 2 beta c + gamma``, a law's squared error by its floor c."""
Objective = Callable[[Sequence[Floats]], Floats]
"""From one coordinate per axis, each [curves or 1, ...], to values [curves, ...]."""


@dataclass(frozen=True)
class Law:
    """One arm's curves; the scale a is eliminated."""

    log_n: Floats
    """Shape [points]: natural logarithm of labels, relative to a reference that arms share."""
    errors: Floats
    """Shape [curves, points]."""
    weights: Floats
    """Shape [points]."""

    def reduced(self, b: Floats) -> Quadratic:
        """The squared error as a function of c, with the best a for each c.

        Args:
            b: Exponents, shape [curves or 1, ...].
        """
        xx, x1, yx = self._products(b)
        over = self.weights.sum()
        y1 = _like(self.errors @ self.weights, b)
        yy = _like(self.errors**2 @ self.weights, b)
        return over - x1**2 / xx, y1 - yx * x1 / xx, yy - yx**2 / xx

    def scale(self, b: Floats, c: Floats) -> Floats:
        """The best a >= 0 at the reference, for exponents and floors of shape [curves]."""
        xx, x1, yx = self._products(b)
        scale: Floats = np.maximum((yx - c * x1) / xx, SMALLEST_SCALE)
        return scale

    def _products(self, b: Floats) -> tuple[Floats, Floats, Floats]:
        powers = np.exp(-b[..., np.newaxis] * self.log_n)
        weighted = powers * self.weights
        with_errors = np.einsum("...p,...p->...", weighted, _like(self.errors, b))
        return np.einsum("...p,...p->...", powers, weighted), weighted.sum(-1), with_errors


class Fit(NamedTuple):
    """Laws fitted together; each array has shape [laws, curves]."""

    a: Floats
    """At the reference."""
    b: Floats
    c: Floats


def fit(laws: Sequence[Law], *, share_exponent: bool = False, share_floor: bool = False) -> Fit:
    """Fit one law, or two that share parameters, by weighted least squares.

    Args:
        laws: One or two, with the same number of curves.
        share_exponent: Whether both have the same b.
        share_floor: Whether both have the same c.
    """
    axes = 1 if share_exponent else len(laws)

    def errors_over_floor(log_b: Sequence[Floats]) -> list[Quadratic]:
        """One quadratic per floor."""
        exponents = log_b if axes == len(laws) else [log_b[0]] * len(laws)
        each = [law.reduced(np.exp(b)) for law, b in zip(laws, exponents, strict=True)]
        return [reduce(_add, each)] if share_floor else each

    def squared_error(log_b: Sequence[Floats]) -> Floats:
        least = [
            gamma - np.maximum(beta, 0) ** 2 / alpha
            for alpha, beta, gamma in errors_over_floor(log_b)
        ]
        return np.asarray(sum(least))

    low, high = np.log(EXPONENTS)
    lattice = np.linspace(low, high, LATTICE)
    log_b = _polished(squared_error, _best_of_lattice(squared_error, lattice, axes), lattice)
    shape = (len(laws), log_b.shape[1])
    floors = [np.maximum(beta / alpha, 0) for alpha, beta, _ in errors_over_floor(list(log_b))]
    b, c = (np.broadcast_to(found, shape) for found in (np.exp(log_b), floors))
    a = [law.scale(*pair) for law, *pair in zip(laws, b, c, strict=True)]
    return Fit(np.array(a), b, c)


def _add(one: Quadratic, other: Quadratic) -> Quadratic:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def _best_of_lattice(objective: Objective, lattice: Floats, axes: int) -> Floats:
    """The lattice point [axes, curves] with the smallest objective of each curve."""
    mesh = np.meshgrid(*[lattice] * axes, indexing="ij", sparse=True)
    values = objective([coordinate[np.newaxis] for coordinate in mesh])
    least = values.reshape(len(values), -1).argmin(axis=1)
    return np.array([lattice[i] for i in np.unravel_index(least, values.shape[1:])])


def _polished(objective: Objective, best: Floats, lattice: Floats) -> Floats:
    """Newton steps from points [axes, curves], on quadratics through the points around each.

    If such a quadratic has no minimum, the step goes to the best of the points.
    """
    axes, step = len(best), lattice[1] - lattice[0]
    around = np.stack(np.meshgrid(*[[-1.0, 0.0, 1.0]] * axes, indexing="ij")).reshape(axes, -1)
    pairs = list(combinations_with_replacement(range(axes), 2))
    terms = [np.ones(around.shape[1]), *around, *(around[i] * around[j] for i, j in pairs)]
    solve = np.linalg.pinv(np.stack(terms, axis=1))
    for _ in range(NEWTON_STEPS):
        values = objective(list(best[..., np.newaxis] + step * around[:, np.newaxis]))
        coefficients = solve @ values.T
        hessian = np.empty((values.shape[0], axes, axes))
        for (i, j), curvature in zip(pairs, coefficients[1 + axes :], strict=True):
            hessian[:, i, j] = hessian[:, j, i] = curvature * (2 if i == j else 1)
        convex = (np.linalg.eigvalsh(hessian) > 0).all(axis=1)
        hessian[~convex] = np.eye(axes)
        newton = -np.linalg.solve(hessian, coefficients[1 : 1 + axes].T[..., np.newaxis])[..., 0]
        move = np.where(convex, np.clip(newton.T, -REACH, REACH), around[:, values.argmin(axis=1)])
        best = np.clip(best + step * move, lattice[0], lattice[-1])
        step /= 2
    return best


def _like(array: Floats, b: Floats) -> Floats:
    """Insert axes for the grid after the first axis of values [curves, ...]."""
    return array.reshape(len(array), *[1] * (b.ndim - 1), *array.shape[1:])


def relative_weights(counts: npt.NDArray[np.int64], errors: Floats) -> Floats:
    """Weights [points] that make squared deviations relative to the error, as in a log-log plot.

    The spread of an error over seeds is roughly proportional to the error itself, and the spread of
    three seeds is too uncertain to be a weight. The weights sum to 1.
    """
    weights = counts / np.maximum(errors, RESOLUTION) ** 2
    normalized: Floats = weights / weights.sum()
    return normalized
