"""Made-up accuracy curves of LR range tests: shapes whose truth is known, and noise like real ones.

Published tests of one seed and 100 to 800 rows jump by tens of points from row to row: downward,
for one row or for several, and more often at large learning rates. Shapes with "R56" follow the few
points that are published of such tests (arXiv 1708.07120): the peak and the accuracy at LR 3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from superconv_ray.analysis.range_tests.advice import Verdict

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Shape:
    """A curve without noise.

    Attributes:
        verdict: What a reader should say of it.
        accuracy: Function of the learning rates.
        low: First learning rate; 0 for a linear sweep.
        high: Last learning rate.
    """

    verdict: Verdict
    accuracy: Callable[[Floats], Floats]
    low: float = 0.0
    high: float = 3.0

    def rates(self, points: int) -> Floats:
        """Learning rates of a test with that many rows."""
        if self.low:
            return np.geomspace(self.low, self.high, points)
        return np.linspace(0, self.high, points + 1)[1:]


@dataclass(frozen=True)
class Noise:
    """White noise, and dips that cover a share of the rows which grows along the test."""

    deviation: float
    dips_at_start: float
    dips_at_end: float


def _through(rates: tuple[float, ...], accuracies: tuple[float, ...]) -> Callable[[Floats], Floats]:
    return lambda lr: np.interp(lr, rates, accuracies)


def _rise(lr: Floats, middle: float, decades: float) -> Floats:
    """A step from 0 to 1 around a rate."""
    step: Floats = 1 / (1 + np.exp(-np.log10(lr / middle) / decades))
    return step


def _hill(lr: Floats, peak: float, decades: float) -> Floats:
    hill: Floats = np.exp(-((np.log10(lr / peak) / decades) ** 2))
    return hill


SHAPES = {
    "R56 CIFAR-10, 5k": Shape(
        "plateau",
        _through((0, 0.05, 0.15, 0.3, 0.6, 1.2, 3), (0.1, 0.45, 0.66, 0.74, 0.79, 0.816, 0.784)),
    ),
    "R56 CIFAR-10, 20k": Shape(
        "plateau",
        _through((0, 0.03, 0.1, 0.3, 0.7, 1.5, 3), (0.1, 0.5, 0.7, 0.78, 0.81, 0.831, 0.795)),
    ),
    "R56 CIFAR-10, 100k": Shape(
        "plateau",
        _through((0, 0.03, 0.1, 0.3, 0.5, 0.8, 3), (0.1, 0.55, 0.75, 0.83, 0.855, 0.865, 0.74)),
    ),
    "R56 CIFAR-100, 20k": Shape(
        "peak",
        _through((0, 0.1, 0.3, 0.7, 1.3, 2.3, 3), (0.01, 0.2, 0.35, 0.455, 0.5, 0.518, 0.408)),
    ),
    "R56 bottleneck": Shape(
        "collapse",
        _through(
            (0, 0.1, 0.25, 0.4, 0.5, 0.55, 0.65, 0.8, 3),
            (0.1, 0.3, 0.43, 0.48, 0.46, 0.4, 0.2, 0.12, 0.1),
        ),
    ),
    "hill, linear": Shape("peak", lambda lr: 0.1 + 0.7 * np.exp(-(((lr - 1.2) / 0.8) ** 2))),
    "hill, exponential": Shape("peak", lambda lr: 0.1 + 0.75 * _hill(lr, 0.3, 0.7), 1e-3, 10),
    "plateau, then collapse": Shape(
        "collapse",
        lambda lr: 0.1 + 0.8 * _rise(lr, 0.0126, 0.15) * _rise(1 / lr, 1 / 2, 0.04),
        1e-3,
        10,
    ),
    "plateau to the end": Shape(
        "plateau",
        lambda lr: 0.1 + 0.75 * _rise(lr, 0.02, 0.2) - 0.02 * np.maximum(np.log10(lr) + 0.5, 0),
        1e-3,
        3,
    ),
    "rising": Shape("not bracketed", lambda lr: 0.1 + 0.5 * lr / 3),
    "nothing learned": Shape("too noisy", lambda lr: np.full_like(lr, 0.1)),
}
NOISES = {
    "low": Noise(0.006, 0.02, 0.05),
    "medium": Noise(0.012, 0.10, 0.25),
    "high": Noise(0.02, 0.20, 0.45),
}
CHANCE = 0.1
MEAN_WIDTH = 3.0
"""Mean number of rows of a dip."""
LONGEST = 0.06
"""Longest dip, as a fraction of the rows."""
DEEPEST = 0.75
"""Share of what was learned that the deepest dip loses."""


def measured(accuracy: Floats, noise: Noise, generator: np.random.Generator) -> Floats:
    """Accuracies [n] as one seed might measure them."""
    points = len(accuracy)
    share = np.linspace(noise.dips_at_start, noise.dips_at_end, points)
    loss = np.zeros(points)
    starts = generator.random(points) < share / (1 - share) / MEAN_WIDTH
    for start in np.flatnonzero(starts):
        width = 1 + int(generator.geometric(1 / 2)) * int(generator.integers(1, 3))
        rows = min(width, int(LONGEST * points))
        depth = DEEPEST * generator.beta(1, 1.5)
        dip = depth * (1 - np.abs(np.linspace(-1, 1, rows + 2)[1:-1]) / 2)
        stretch = slice(start, start + rows)
        loss[stretch] = np.maximum(loss[stretch], dip[: len(loss[stretch])])
    noisy = accuracy + generator.normal(0, noise.deviation, points)
    lost: Floats = noisy - loss * (noisy - CHANCE).clip(0)
    return lost.clip(0, 1)
