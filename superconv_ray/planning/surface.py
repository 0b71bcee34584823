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
"""Standard deviations of what differs from training to training, besides the labels that score."""
KEPT = 40
"""Number of parameters, those with the largest weights, that predictions are averaged over."""
LEVEL = (0.5, 0.5)
"""Mean and standard deviation of the accuracy's level, before anything is measured."""


class Surface:
    """Accuracy as a function of the tuned settings.

    A Gaussian process with a Matérn kernel (5/2, one length per setting) and a constant mean. Of
    ten scores, the most likely parameters are often extreme, so predictions are averaged over a
    grid of parameters, weighted by their marginal likelihood (Rasmussen & Williams 2006, ch. 5).

    Args:
        points: Settings, each scaled to [0, 1], shape [n, settings].
        scores: Accuracies, shape [n].
        variances: Known variance of each score's noise, shape [n].
    """

    def __init__(self, points: Floats, scores: Floats, variances: Floats) -> None:
        self._points = points
        grid = np.array(list(product(*[LENGTHS] * points.shape[1], HEIGHTS, RESIDUALS)))
        self._lengths, self._heights, residuals = grid[:, :-2], grid[:, -2], grid[:, -1]
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

    def predict(self, points: Floats) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of the accuracy at points, shape [m] each."""
        cross = np.linalg.solve(self._factor, self._covariance(points))  # [grid, n, m]
        means = LEVEL[0] + (cross * self._whitened).sum(axis=1)
        own = LEVEL[1] ** 2 + self._heights[:, None] ** 2
        variances = own - (cross**2).sum(axis=1)
        mean = self._weights @ means
        return mean, np.sqrt(self._weights @ (variances + (means - mean) ** 2))

    def _covariance(self, points: Floats) -> Floats:
        """Between the points that were scored and others, for all parameters: [grid, n, m]."""
        apart = np.abs(self._points[:, None] - points)[None] / self._lengths[:, None, None]
        distance = np.sqrt(5) * np.sqrt((apart**2).sum(axis=-1))
        matern = (1 + distance + distance**2 / 3) * np.exp(-distance)
        covariance: Floats = LEVEL[1] ** 2 + self._heights[:, None, None] ** 2 * matern
        return covariance
