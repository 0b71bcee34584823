"""Learning rates that fastai's and Lightning's finders would suggest, from one loss curve.

Each rule takes learning rates [n], all > 0, and losses [n], all finite. It returns one of the rates
(`minimum`: a tenth of one), or NaN if the curve is too short for the rule. It computes in the
precision of its arguments, and returns bit for bit what the original returns for the same arrays.

Source: fastai, ``callback/schedule.py``, and Lightning, ``pytorch/tuner/lr_finder.py``.
"""

from __future__ import annotations

import math
from bisect import bisect_left

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]

FASTAI_SKIP_BEGIN = 10
"""fastai leaves out the first 1 / FASTAI_SKIP_BEGIN of a curve's points."""
FASTAI_SKIP_END = 5
"""Points that fastai leaves out at a curve's end."""
LIGHTNING_SKIP_BEGIN = 10
"""Points that Lightning leaves out at a curve's beginning."""
LIGHTNING_SKIP_END = 1
"""Points that Lightning leaves out at a curve's end."""
SLIDE_DISTANCE = 15
"""Points between the two slopes that `slide` compares."""
SLIDE_THRESHOLD = 0.005
"""Largest difference, in loss per point, of two slopes that `slide` takes for equal."""


def valley(rates: Floats, losses: Floats) -> float:
    """Fastai's default: the middle of the longest valley of the loss.

    The valley ends where the longest strictly decreasing subsequence does, and is as long.
    """
    if not len(losses):
        return math.nan
    lengths = _decreasing_lengths(losses)
    end = int(np.argmax(lengths))
    length = lengths[end]
    if length == 1:  # the loss never falls
        return float(rates[0])
    return float(rates[end - length + int(length / 3) + int(length / 3 / 2)])


def slide(rates: Floats, losses: Floats) -> float:
    """Fastai's slide: move an interval down from the end until the slopes at its ends are equal."""
    if len(losses) <= SLIDE_DISTANCE:
        return math.nan
    slope = np.gradient(losses)[::-1]
    differ = np.abs(slope[:-SLIDE_DISTANCE] - slope[SLIDE_DISTANCE:]) > SLIDE_THRESHOLD
    moves = len(differ) if differ.all() else int(np.argmin(differ))
    return float(rates[::-1][SLIDE_DISTANCE + max(moves - 1, 0)])


def minimum(rates: Floats, losses: Floats) -> float:
    """Fastai's minimum: a tenth of the rate with the smallest loss."""
    return float(rates[np.argmin(losses)]) / 10 if len(losses) else math.nan


def steep(rates: Floats, losses: Floats) -> float:
    """Fastai's steep: the steepest fall from one point to the next, per log of the rate."""
    if len(losses) < 2:
        return math.nan
    return float(rates[np.argmin(np.diff(losses) / np.diff(np.log(rates)))])


def steepest_gradient(rates: Floats, losses: Floats) -> float:
    """Lightning's suggestion: the steepest central slope, per rate and *not* per its log."""
    if len(losses) < 2:
        return math.nan
    return float(rates[np.argmin(np.gradient(losses, rates))])


def _decreasing_lengths(losses: Floats) -> list[int]:
    """Length of the longest strictly decreasing subsequence that ends at each point."""
    lengths: list[int] = []
    lowest: list[float] = []  # [k]: minus the largest loss that ends a subsequence of k + 1 points
    for loss in losses:
        place = bisect_left(lowest, -loss)
        lowest[place : place + 1] = [-loss]
        lengths.append(place + 1)
    return lengths
