"""Noise of a range test: how well it lets the top be known, and how ragged the top is."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from superconv_ray.analysis.range_tests.frames import RangeTest
from superconv_ray.analysis.range_tests.reading import NO_INTERVAL, LRInterval
from superconv_ray.analysis.range_tests.robust import (
    close_replicate,
    closing,
    measured_end,
    window,
)
from superconv_ray.analysis.range_tests.top import COLLAPSE_SHARE, PLATEAU_SHARE, plateau_middles
from superconv_ray.analysis.statistics.intervals import CONFIDENCE, Floats

DRAWS = 200
"""Redrawn curves of a test."""
NEIGHBORHOOD = 2
"""Blocks that a drawn block of noise may come from, to each side: spikes are more frequent at large
rates, and must stay there."""
SPREAD_LEVELS = (0.05, 0.95)
FLAT_FACTOR = 2.5
"""The robust accuracy must span this many times the median step between neighboring measurements.
Of 600 simulated tests that learn nothing, 97 % stay below; shapes like the published ones, with
every second row in a dip, start at 2.6."""


class Noise(NamedTuple):
    """How well the noise of a test lets its top be known.

    Attributes:
        peak: Interval of the peak's rate.
        spread: By this factor the recommended rate may be too large or too small: the larger ratio
            of `Top.max_lr` to the 5 % and of the 95 % quantile of its redrawn values to it.
        flat: Whether all differences of the robust accuracy may be noise.
        broken: Whether most of the robust accuracy between the ends of the plateau is below it.
        share_inside: Share of the measured accuracies between the ends of the plateau that are at
            least as high as its definition asks for.
        raggedness: Mean distance of these accuracies from the robust one, as a fraction.
    """

    peak: LRInterval
    spread: float
    flat: bool
    broken: bool
    share_inside: float
    raggedness: float


NO_NOISE = Noise(NO_INTERVAL, math.nan, False, False, math.nan, math.nan)


def read_noise(test: RangeTest, generator: np.random.Generator) -> Noise:
    """Read the noise of a range test, also of one replicate; NaN if it reached no accuracy.

    The peak's interval spans the rates whose robust accuracy is not significantly below the
    highest. A rate x is left out if, in 95 % of the redrawn curves, chance raises no rate above x
    by as much as the measured curve has there. That covers the true peak also where the top is
    flat; the percentiles of redrawn peaks, which cluster at the measured one, do not.

    Args:
        test: The range test.
        generator: Draws the noise.
    """
    if not test.reached:
        return NO_NOISE
    top, kept = test.top, test.positive
    rates, robust, measured = test.rates[kept], test.robust[kept], test.accuracies[:, kept]
    drawn = redrawn(test.accuracies, DRAWS, generator)[:, kept]
    chance = drawn - drawn.mean(axis=0)
    near = robust >= COLLAPSE_SHARE * robust.max()
    lead = np.quantile(chance[:, near].max(axis=1, keepdims=True) - chance, CONFIDENCE, axis=0)
    possible = rates[robust.max() - robust <= lead]
    low, high = np.quantile(plateau_middles(rates, drawn, top.collapse_lr), SPREAD_LEVELS)
    distance = np.abs(measured - robust)
    inside = (top.plateau.low <= rates) & (rates <= top.plateau.high)
    enough = PLATEAU_SHARE * robust.max()
    return Noise(
        peak=LRInterval(float(possible[0]), float(possible[-1])),
        spread=float(max(high / top.max_lr, top.max_lr / low)),
        flat=_is_flat(robust, measured),
        broken=bool(np.median(robust[inside]) < enough),
        share_inside=float((measured[:, inside] >= enough).mean()),
        raggedness=float(distance[:, inside].mean()),
    )


def _is_flat(robust: Floats, measured: Floats) -> bool:
    """Whether the robust accuracy [n] varies no more than neighbors of [replicates, n] differ."""
    steps = np.abs(np.diff(measured, axis=1))[measured[:, 1:] > 0]
    return not len(steps) or bool(np.ptp(robust) <= FLAT_FACTOR * np.median(steps))


def redrawn(accuracies: Floats, draws: int, generator: np.random.Generator) -> Floats:
    """Robust curves of range tests that differ from the measured one by chance alone.

    Replicates are drawn with replacement. To the robust curve of each, noise is added: blocks of
    its measured accuracies' differences from that curve, drawn with replacement from near the same
    rates (a local moving-block bootstrap, Künsch 1989). So one replicate is enough.

    Args:
        accuracies: Shape [replicates, n].
        draws: Number of curves.
        generator: Draws replicates and blocks.

    Returns:
        Shape [draws, n].
    """
    replicates = len(accuracies)
    share = np.full(replicates, 1 / replicates)
    weights = generator.multinomial(replicates, share, draws) / replicates
    curves = np.zeros((draws, accuracies.shape[1]))
    for row, weight in zip(accuracies, weights.T, strict=True):
        end = measured_end(row)
        curves[:, :end] += weight[:, None] * _redrawn_replicate(row[:end], draws, generator)
    return curves


def _redrawn_replicate(accuracy: Floats, draws: int, generator: np.random.Generator) -> Floats:
    """Closings of a replicate's measured accuracies with other noise, shape [draws, n]."""
    points = len(accuracy)
    if not points:
        return np.zeros((draws, 0))
    robust = close_replicate(accuracy)
    block = min(window(points), points)
    starts = np.arange(0, points, block)
    reach = NEIGHBORHOOD * block
    shift = generator.integers(-reach, reach, (draws, len(starts)), endpoint=True)
    first = np.clip(starts + shift, 0, points - block)
    taken = (first[..., None] + np.arange(block)).reshape(draws, -1)[:, :points]
    return closing(np.clip(robust + (accuracy - robust)[taken], 0, 1))
