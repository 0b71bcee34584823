"""A judgement of a claim, and the rules by which intervals decide it.

A claim is judged by intervals, never by bare means. They are over seeds and test samples wherever
it is known which samples a run has right, see `contrasts`. Each covers 95 % by itself: over some 20
claims, one is expected to err.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

import pandas as pd

from superconv_ray.analysis.comparison.verdicts import MARGIN
from superconv_ray.analysis.statistics.intervals import Interval
from superconv_ray.design.text import interval_text

Verdict = Literal["holds", "does not hold", "cannot be told"]
HOLDS: Verdict = "holds"
DOES_NOT_HOLD: Verdict = "does not hold"
CANNOT_TELL: Verdict = "cannot be told"
LEAST_GAIN = MARGIN
"""Half a point of accuracy: a smaller gain is none, here as in a comparison of arms."""


class Judgement(NamedTuple):
    """What a study says about a claim."""

    ours: str
    """The measured numbers with their 95 % intervals, such as "+1.2 [+0.4, +2.0] points"."""
    verdict: Verdict


Judge: TypeAlias = Callable[[pd.DataFrame, pd.DataFrame], Judgement]
"""From a study's trials and curves, as `Store.trials` and `Store.curves` return them.

A ValueError means that they do not suffice; its message says why. So does a LookupError, of an arm
or a point.
"""


def negative(found: Interval) -> Interval:
    """The interval of the number with the other sign."""
    return Interval(-found.mean, -found.high, -found.low, found.n)


def points(found: Interval) -> str:
    """A difference of accuracies: "+1.2 [+0.4, +2.0] points"."""
    mean, low, high = (100 * end for end in found[:3])
    return f"{interval_text(mean, low, high, '+.1f')} points"


def of_gain(found: Interval, least: float = LEAST_GAIN) -> Verdict:
    """Whether there is a gain that counts: above 0, and possibly at least `least`."""
    if math.isnan(found.low):
        return CANNOT_TELL
    if found.high < least:
        return DOES_NOT_HOLD
    return HOLDS if found.low > 0 else CANNOT_TELL


def of_sign(found: Interval) -> Verdict:
    """Whether a number is above 0; "does not hold" if it is below."""
    if math.isnan(found.low):
        return CANNOT_TELL
    return HOLDS if found.low > 0 else DOES_NOT_HOLD if found.high < 0 else CANNOT_TELL


def of_equality(found: Interval, least: float = LEAST_GAIN) -> Verdict:
    """Whether two are equally good up to `least`: the whole interval, or none of it, is inside."""
    if math.isnan(found.low):
        return CANNOT_TELL
    if -least < found.low and found.high < least:
        return HOLDS
    return DOES_NOT_HOLD if found.high < -least or found.low > least else CANNOT_TELL


def of_no_loss(found: Interval, least: float = LEAST_GAIN) -> Verdict:
    """Whether one is as good as another up to `least`, or better; `found` is its gap to it."""
    if math.isnan(found.low):
        return CANNOT_TELL
    if found.low > -least:
        return HOLDS
    return DOES_NOT_HOLD if found.high < 0 else CANNOT_TELL


def all_of(verdicts: Mapping[str, Verdict] | Sequence[Verdict]) -> Verdict:
    """The verdict on a claim of several parts: it holds only if every part does."""
    parts = list(verdicts.values() if isinstance(verdicts, Mapping) else verdicts)
    if DOES_NOT_HOLD in parts:
        return DOES_NOT_HOLD
    return CANNOT_TELL if CANNOT_TELL in parts else HOLDS
