"""Ways to estimate an accuracy curve [n] under its noise, which `range_test_reading` compares.

The package uses one of them. The others live here only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy.ndimage import median_filter, rank_filter
from scipy.optimize import isotonic_regression

from benchmarks.range_test_curves import Floats
from superconv_ray.analysis.range_tests.reading import smooth, smoothing_window
from superconv_ray.analysis.range_tests.robust import TRIM, closing, window

LOWESS_SHARE = 0.15
"""Points of a local line, as a fraction of the curve's."""
BISQUARE = 6.0
"""Residuals beyond this many times their median do not count."""
ROBUST_ROUNDS = 3
MODES = 80
"""Places that are tried for the top of a unimodal curve."""


def moving_average(accuracy: Floats) -> Floats:
    return smooth(accuracy, smoothing_window(len(accuracy)))


def running_median(accuracy: Floats) -> Floats:
    median: Floats = median_filter(accuracy, window(len(accuracy)), mode="mirror")
    return median


def running_upper_quantile(accuracy: Floats) -> Floats:
    width = window(len(accuracy))
    upper: Floats = rank_filter(accuracy, width - 1 - width // TRIM, size=width, mode="mirror")
    return upper


def robust_lowess(accuracy: Floats) -> Floats:
    """Local lines with tricube weights, fitted again without far points (Cleveland 1979)."""
    points = len(accuracy)
    near = max(5, int(LOWESS_SHARE * points))
    first = np.clip(np.arange(points) - near // 2, 0, points - near)
    neighbors = first[:, None] + np.arange(near)
    x = (neighbors - np.arange(points)[:, None]) / points
    y = accuracy[neighbors]
    tricube = (1 - np.abs(x / np.abs(x).max(axis=1, keepdims=True)) ** 3).clip(0) ** 3
    trust = np.ones(points)
    for _ in range(ROBUST_ROUNDS + 1):
        weights = tricube * trust[neighbors]
        s0, s1, s2 = (np.sum(weights * x**power, axis=1) for power in range(3))
        t0, t1 = (np.sum(weights * y * x**power, axis=1) for power in range(2))
        fitted = (s2 * t0 - s1 * t1) / np.maximum(s0 * s2 - s1**2, 1e-12)
        distance = np.abs(accuracy - fitted)
        scale = BISQUARE * np.median(distance) + 1e-9
        trust = (1 - (distance / scale).clip(0, 1) ** 2) ** 2
    return np.asarray(fitted)


def unimodal(accuracy: Floats) -> Floats:
    """The least-squares curve that rises, then falls: two isotonic regressions."""
    tops = np.unique(np.linspace(1, len(accuracy) - 1, MODES).astype(int))
    fits = [
        np.concatenate(
            [
                isotonic_regression(accuracy[:top]).x,
                isotonic_regression(accuracy[top:], increasing=False).x,
            ]
        )
        for top in tops
    ]
    return min(fits, key=lambda fit: float(np.sum((accuracy - fit) ** 2)))


def unimodal_of_medians(accuracy: Floats) -> Floats:
    return unimodal(running_median(accuracy))


def quantile_closing(accuracy: Floats) -> Floats:
    return np.asarray(closing(accuracy[None])[0])


ESTIMATORS: Mapping[str, Callable[[Floats], Floats]] = {
    "moving average": moving_average,
    "robust LOWESS": robust_lowess,
    "unimodal (isotonic)": unimodal,
    "unimodal of running median": unimodal_of_medians,
    "running median": running_median,
    "running upper quantile": running_upper_quantile,
    "quantile closing (used)": quantile_closing,
}
