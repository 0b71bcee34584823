"""Learning rates as fastai's and Lightning's finders would suggest them, from one loss curve.

Each rule takes learning rates [n], all > 0, and losses [n], all finite, computes in the precision
that it is given, and returns one of the rates (`minimum`: a tenth of one); on the same arrays it
returns what the original does, bit for bit. NaN means that the curve is too short for the rule.

Source: fastai, ``callback/schedule.py``, and Lightning, ``pytorch/tuner/lr_finder.py``.
"""

from __future__ import annotations

import math
from bisect import bisect_left

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]

FASTAI_SKIP_BEGIN = 10
"""fastai leaves out the first of so many points of a curve: with 10, a tenth at its beginning."""
FASTAI_SKIP_END = 5
"""Points that fastai leaves out at a curve's end."""
LIGHTNING_SKIP_BEGIN = 10
"""Points that Lightning leaves out at a curve's beginning."""
LIGHTNING_SKIP_END = 1
"""Points that Lightning leaves out at a curve's end."""
SLIDE_DISTANCE = 15
"""Points between the two slopes that `slide` compares."""
SLIDE_THRESHOLD = 0.005
"""Difference of these slopes, in loss per point, up to which `slide` takes them for equal."""


def valley(rates: Floats, losses: Floats) -> float:
    """Fastai's default: half way into the longest valley of the loss.

    The valley is as long as the longest strictly decreasing subsequence, and ends with it.
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
    """Fastai's slide: from the end down, until the slopes at both ends of an interval are equal."""
    if len(losses) <= SLIDE_DISTANCE:
        return math.nan
    slope = np.gradient(losses)[::-1]
    differ = np.abs(slope[:-SLIDE_DISTANCE] - slope[SLIDE_DISTANCE:]) > SLIDE_THRESHOLD
    moves = len(differ) if differ.all() else int(np.argmin(differ))
    return float(rates[::-1][SLIDE_DISTANCE + max(moves - 1, 0)])


def minimum(rates: Floats, losses: Floats) -> float:
    """Fastai's minimum: a tenth of the rate at which the loss is least."""
    return float(rates[np.argmin(losses)]) / 10 if len(losses) else math.nan


def steep(rates: Floats, losses: Floats) -> float:
    """Fastai's steep: where the loss falls most from one point to the next, per log of the rate."""
    if len(losses) < 2:
        return math.nan
    return float(rates[np.argmin(np.diff(losses) / np.diff(np.log(rates)))])


def steepest_gradient(rates: Floats, losses: Floats) -> float:
    """Lightning's suggestion: where the central slope is least, per rate and *not* per its log."""
    if len(losses) < 2:
        return math.nan
    return float(rates[np.argmin(np.gradient(losses, rates))])


def _decreasing_lengths(losses: Floats) -> list[int]:
    """For each point, how long the longest strictly decreasing subsequence is that ends there."""
    lengths: list[int] = []
    lowest: list[float] = []  # [k]: minus the greatest loss that ends a subsequence of k + 1 points
    for loss in losses:
        place = bisect_left(lowest, -loss)
        lowest[place : place + 1] = [-loss]
        lengths.append(place + 1)
    return lengths
