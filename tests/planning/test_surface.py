"""The fitted surface against scikit-learn's Gaussian process."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from superconv_ray.planning import surface
from superconv_ray.planning.surface import LEVEL, Floats, Surface

GENERATOR = np.random.default_rng(0)
POINTS = GENERATOR.random((9, 2))
SCORES = 0.7 - 0.3 * ((POINTS - 0.4) ** 2).sum(axis=1) + GENERATOR.normal(0, 0.02, 9)
VARIANCES = GENERATOR.uniform(1e-4, 1e-3, 9)
ELSEWHERE = GENERATOR.random((20, 2))


def reference(length: float, height: float, residual: float) -> tuple[Floats, float]:
    """Expected accuracies and log likelihood of one Gaussian process."""
    kernel = ConstantKernel(LEVEL[1] ** 2) + ConstantKernel(height**2) * Matern(length, nu=2.5)
    process = GaussianProcessRegressor(kernel, alpha=VARIANCES + residual**2, optimizer=None)
    process.fit(POINTS, SCORES - LEVEL[0])
    expected = LEVEL[0] + process.predict(ELSEWHERE)
    return np.asarray(expected), float(process.log_marginal_likelihood())


def test_the_expectation_is_that_of_gaussian_processes_weighted_by_their_likelihood(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(surface, "OWN_LENGTHS", 1)  # both settings share a length
    monkeypatch.setattr(surface, "LENGTHS", (0.3, 0.7))
    monkeypatch.setattr(surface, "HEIGHTS", (0.1,))
    monkeypatch.setattr(surface, "RESIDUALS", (0.01,))
    expected, likelihoods = zip(
        *(reference(length, 0.1, 0.01) for length in (0.3, 0.7)), strict=True
    )
    weights = np.exp(np.array(likelihoods) - max(likelihoods))
    assert weights.min() > 0.01  # both count
    wanted = np.average(expected, axis=0, weights=weights)
    assert Surface(POINTS, SCORES, VARIANCES).predict(ELSEWHERE) == pytest.approx(wanted, abs=1e-9)


def test_each_setting_has_a_length_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores that depend on the first setting only say nothing of the second."""
    scores = 0.5 + 0.3 * np.sin(6 * POINTS[:, 0])
    fitted = Surface(POINTS, scores, np.full(9, 1e-5))
    apart = [np.ptp(fitted.predict(np.column_stack([np.full(9, 0.5), np.linspace(0, 1, 9)])))]
    monkeypatch.setattr(surface, "OWN_LENGTHS", 1)
    fitted = Surface(POINTS, scores, np.full(9, 1e-5))
    apart += [np.ptp(fitted.predict(np.column_stack([np.full(9, 0.5), np.linspace(0, 1, 9)])))]
    assert apart[0] < apart[1]


def test_many_settings_are_fitted_in_no_more_parameters_than_few() -> None:
    points = GENERATOR.random((12, 6))
    expected = Surface(points, np.full(12, 0.6), np.full(12, 1e-4)).predict(points)
    assert expected == pytest.approx(np.full(12, 0.6), abs=0.01)
