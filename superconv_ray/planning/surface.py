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
        self._points = points
        self._lengths, self._heights, residuals = _parameters(points.shape[1])
        covariance = self._covariance(points)
        covariance += (variances + residuals[:, None] ** 2)[:, :, None] * np.eye(len(points))
        self._factor = np.linalg.cholesky(covariance)
        self._whitened = np.linalg.solve(self._factor, (scores - LEVEL[0])[:, None])
        likelihood = -np.log(np.diagonal(self._factor, axis1=1, axis2=2)).sum(axis=1)
        likelihood -= (self._whitened**2).sum(axis=(1, 2)) / 2
        kept = np.argsort(-likelihood, kind="stable")[:KEPT]
        weights = np.exp(likelihood[kept] - likelihood[kept[0]])
        self._weights = weights / weights.sum()
        self._lengths, self._heights = self._lengths[kept], self._heights[kept]
        self._factor, self._whitened = self._factor[kept], self._whitened[kept]

    def predict(self, points: Floats) -> Floats:
        """Return the expected accuracy at other points of shape [m, settings]: shape [m]."""
        cross = np.linalg.solve(self._factor, self._covariance(points))  # [parameters, n, m]
        means = LEVEL[0] + (cross * self._whitened).sum(axis=1)
        return np.asarray(self._weights @ means)

    def _covariance(self, points: Floats) -> Floats:
        """Between the points that were scored and others: shape [parameters, n, m]."""
        apart = (self._points[:, None] - points)[None] / self._lengths[:, None, None]
        distance = np.sqrt(5 * (apart**2).sum(axis=-1))
        matern = (1 + distance + distance**2 / 3) * np.exp(-distance)
        return np.asarray(LEVEL[1] ** 2 + self._heights[:, None, None] ** 2 * matern)


def _parameters(settings: int) -> tuple[Floats, Floats, Floats]:
    """All combinations: lengths [parameters, settings], heights and residuals [parameters]."""
    if settings <= OWN_LENGTHS:
        lengths = list(product(LENGTHS, repeat=settings))
    else:
        lengths = [(length,) * settings for length in LENGTHS]
    grid = np.array([(*own, *rest) for own, *rest in product(lengths, HEIGHTS, RESIDUALS)])
    return grid[:, :-2], grid[:, -2], grid[:, -1]
