"""The surface behind a search's noisy scores: a Gaussian process, averaged over its parameters."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LENGTHS = (0.1, 0.2, 0.4, 0.8)
"""Distances over which accuracy changes, as fractions of the range in which a setting is tuned."""
HEIGHTS = (0.02, 0.05, 0.1, 0.2, 0.4)
"""Standard deviations of accuracy over the range."""
RESIDUALS = (0.003, 0.01, 0.03)
"""Standard deviations of what differs between trainings, besides the labels that score them."""
NUMBERS_AT_ONCE = 10_000_000
"""Largest number of covariances in memory."""
LEVEL = (0.5, 0.5)
"""Mean and standard deviation of the accuracy's level, before anything is measured."""
OWN_LENGTHS = 3
"""Largest number of settings of which each has a length of its own; more of them share one."""
KEPT = 40
"""Number of parameters, those of the largest weights, that predictions are averaged over."""


class Surface:
    """Accuracy as a function of the tuned settings.

    A Gaussian process with a Matérn kernel (5/2, one length per setting) and a constant mean. Given
    ten scores, the most likely parameters are often extreme ones. Predictions are therefore
    averaged over a grid of parameters, weighted by their marginal likelihood (Rasmussen & Williams
    2006, chapter 5). A finite grid also needs no optimizer, whose last digits differ between
    machines.

    Args:
        points: Settings, each scaled to [0, 1], shape [n, settings].
        scores: Accuracies, shape [n].
        variances: Known variance of each score's noise, shape [n].
    """

    def __init__(self, points: Floats, scores: Floats, variances: Floats) -> None:
        self._points, self._scores, self._variances = points, scores, variances
        parameters = _parameters(points.shape[1])
        fits = (self._fit(block) for block in self._blocks(parameters))
        likelihood = np.concatenate([_log_likelihood(*fit) for fit in fits])
        kept = np.argsort(-likelihood, kind="stable")[:KEPT]
        weights = np.exp(likelihood[kept] - likelihood[kept[0]])
        self._parameters, self._weights = parameters[kept], weights / weights.sum()

    def predict(self, points: Floats) -> Floats:
        """Return the expected accuracy at other points of shape [m, settings]: shape [m]."""
        means = []
        for block in self._blocks(self._parameters):
            factor, whitened = self._fit(block)
            cross = np.linalg.solve(factor, self._covariance(block, points))  # [block, n, m]
            means.append(LEVEL[0] + (cross * whitened).sum(axis=1))
        return np.asarray(self._weights @ np.concatenate(means))

    def _blocks(self, parameters: Floats) -> list[Floats]:
        """Parts whose covariance matrices fit in memory together."""
        blocks = len(parameters) * len(self._points) ** 2 // NUMBERS_AT_ONCE + 1
        return np.array_split(parameters, min(len(parameters), blocks))

    def _fit(self, parameters: Floats) -> tuple[Floats, Floats]:
        """Cholesky factors of the scores' covariances, and the scores that they make independent.

        Shapes [parameters, n, n] and [parameters, n, 1].
        """
        covariance = self._covariance(parameters, self._points)
        noise = self._variances + parameters[:, -1:] ** 2
        covariance += noise[:, :, None] * np.eye(len(self._points))
        factor = np.linalg.cholesky(covariance)
        # One column for all: NumPy 1 takes [n, 1] for n vectors of one number.
        whitened = np.linalg.solve(factor, (self._scores - LEVEL[0])[None, :, None])
        return np.asarray(factor, np.float64), np.asarray(whitened, np.float64)

    def _covariance(self, parameters: Floats, points: Floats) -> Floats:
        """Between the points that were scored and others: shape [parameters, n, m]."""
        # Many parameters share their lengths, and the exponentials take longest.
        lengths, place = np.unique(parameters[:, :-2], axis=0, return_inverse=True)
        apart = (self._points[:, None] - points) / lengths[:, None, None]
        distance = np.sqrt(5 * (apart**2).sum(axis=-1))
        matern = (1 + distance + distance**2 / 3) * np.exp(-distance)
        heights = parameters[:, -2, None, None]
        return np.asarray(LEVEL[1] ** 2 + heights**2 * matern[place.reshape(-1)])


def _log_likelihood(factor: Floats, whitened: Floats) -> Floats:
    """Log marginal likelihood up to a constant, shape [parameters]."""
    determinant = np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
    return np.asarray(-determinant - (whitened**2).sum(axis=(1, 2)) / 2)


def _parameters(settings: int) -> Floats:
    """All combinations of the lengths, the height and the residual: [parameters, settings + 2]."""
    if settings <= OWN_LENGTHS:
        lengths = list(product(LENGTHS, repeat=settings))
    else:
        lengths = [(length,) * settings for length in LENGTHS]
    return np.array([(*own, *rest) for own, *rest in product(lengths, HEIGHTS, RESIDUALS)])
