"""Whether a curve of errors may follow a power law at all."""

from __future__ import annotations

import numpy as np
from scipy import special

from superconv_ray.analysis.statistics.intervals import Floats
from superconv_ray.analysis.statistics.replicates import ReplicateCurve

FEWEST_POINTS = 4
"""Three parameters fit any three points."""
SIGNIFICANCE = 0.05
"""Chance that the tests of a curve reject a power law that it follows."""
ROUNDING = 1e-9
"""Standard errors below this are rounding errors."""


def why_no_law(curve: ReplicateCurve) -> list[str]:
    """Reasons not to fit a power law to a curve of errors; empty if it may have that shape.

    About 15 % of learning curves are not monotone or not convex (LCDB 1.1, arXiv 2505.15657). As
    there, differences over n are tested with Bonferroni's correction. Here the tests are one-sided
    t tests between neighboring points, paired by replicate. They test convexity over log n, because
    a power law is convex there as well; a curve that first stays near guessing is not. With few
    seeds the tests have little power: a curve without a reason need not be a power law.

    Args:
        curve: Errors over labels.
    """
    if len(curve.axis) < FEWEST_POINTS:
        points = f"{len(curve.axis)} distinct n"
        return [f"{points}: a, b and c need at least {FEWEST_POINTS}"]
    if curve.lost.any():
        return [f"every training diverged at n = {curve.listed(curve.lost)}"]
    rises = np.diff(curve.values, axis=0)
    bends = -np.diff(rises / np.diff(np.log(curve.axis))[:, np.newaxis], axis=0)
    wrong = _p_of_positive(np.vstack([rises, bends])) < SIGNIFICANCE / (len(rises) + len(bends))
    n = [f"{at:,.0f}" for at in curve.axis]
    if wrong[: len(rises)].any():
        rising = np.flatnonzero(wrong[: len(rises)])
        return [f"error rises from n = {n[i]} to {n[i + 1]}" for i in rising]
    if wrong.any():
        middle = [n[i + 1] for i in np.flatnonzero(wrong[len(rises) :])]
        return [f"not convex: error falls faster after n = {at} than before" for at in middle]
    if curve.means[-1] >= curve.means[0]:
        return [f"error does not fall from n = {n[0]} to {n[-1]}"]
    return []


def _p_of_positive(samples: Floats) -> Floats:
    """P of one-sided t tests that each row has a mean > 0; 1 for fewer than two finite values."""
    known = np.isfinite(samples)
    n = known.sum(axis=1)
    values = np.where(known, samples, 0)
    mean = values.sum(axis=1) / np.maximum(n, 1)
    squares = (np.where(known, values - mean[:, np.newaxis], 0) ** 2).sum(axis=1)
    error = np.sqrt(squares / np.maximum(n - 1, 1) / np.maximum(n, 1))
    t = mean / np.maximum(error, ROUNDING)
    return np.where(n > 1, special.stdtr(np.maximum(n - 1, 1), -t), 1.0)
