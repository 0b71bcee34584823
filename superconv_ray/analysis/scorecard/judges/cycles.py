"""Claims on the settings of 1cycle itself: its rates, its tail and its momentum."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from superconv_ray.analysis.range_tests.advice import WIDE
from superconv_ray.analysis.scorecard.contrasts import of_arm, per_replicate
from superconv_ray.analysis.scorecard.judgement import (
    CANNOT_TELL,
    DOES_NOT_HOLD,
    HOLDS,
    LEAST_GAIN,
    Judgement,
    all_of,
    of_gain,
    of_no_loss,
    of_sign,
    points,
)
from superconv_ray.analysis.statistics.intervals import Interval


def max_lr(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    """Whether the accuracy is within half a point of its best over a factor of 3 of max_lr."""
    table = of_arm(per_replicate(trials, ["max_lr"]), "one_cycle")
    best = max(table, key=lambda rate: table[rate].mean)
    behind = {rate: (table[best] - own).interval() for rate, own in table.items()}
    surely = _width(behind, best, lambda found: found.high < LEAST_GAIN)
    possibly = _width(behind, best, lambda found: found.low < LEAST_GAIN)
    said = ", ".join(
        f"{rate:g} {points((own - table[best]).interval())}"
        for rate, own in table.items()
        if rate != best
    )
    if len(table[best].values) < 2:
        verdict = CANNOT_TELL
    elif surely >= WIDE:
        verdict = HOLDS
    else:
        verdict = DOES_NOT_HOLD if possibly < WIDE else CANNOT_TELL
    return Judgement(
        f"within half a point of the best, {best:g}, over a factor of {surely:.3g} for certain, "
        f"{possibly:.3g} possibly; against it: {said}",
        verdict,
    )


def _width(
    behind: dict[float, Interval], best: float, is_near: Callable[[Interval], bool]
) -> float:
    """Ratio of the largest to the smallest of the rates next to the best that are near it."""
    below = [rate for rate, found in behind.items() if rate < best and not is_near(found)]
    above = [rate for rate, found in behind.items() if rate > best and not is_near(found)]
    inside = [
        rate for rate in behind if max(below, default=0.0) < rate < min(above, default=float("inf"))
    ]
    return max(inside) / min(inside)


def min_lr(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    """Whether max_lr / 3, / 10 and / 20 all are within half a point of the best of them."""
    table = of_arm(per_replicate(trials, ["div_factor"]), "one_cycle")
    best = max(table, key=lambda ratio: table[ratio].mean)
    gaps = {ratio: (own - table[best]).interval() for ratio, own in table.items() if ratio != best}
    said = ", ".join(f"max_lr / {ratio:g} {points(gap)}" for ratio, gap in gaps.items())
    return Judgement(
        f"against max_lr / {best:g}: {said}", all_of([of_no_loss(gap) for gap in gaps.values()])
    )


def tail(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    """Whether a cycle with a tail gains on one without."""
    table = per_replicate(trials)
    gap = (table["tail"] - table["no_tail"]).interval()
    return Judgement(f"with a tail minus without: {points(gap)}", of_gain(gap))


def cyclical_momentum(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    """Whether cyclical momentum gains on the constant .9."""
    table = per_replicate(trials)
    gap = (table["cyclical"] - table["constant_0.9"]).interval()
    return Judgement(f".95 to .8 and back minus constant .9: {points(gap)}", of_gain(gap))


def momentum_value(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    """Whether the constant .9 is above each of the other constants."""
    table = per_replicate(trials)
    constant = "constant_"
    values = [name.removeprefix(constant) for name in map(str, table) if name.startswith(constant)]
    gaps = {
        value: (table[f"{constant}0.9"] - table[constant + value]).interval()
        for value in values
        if value != "0.9"
    }
    said = ", ".join(f"{value} {points(gap)}" for value, gap in gaps.items())
    return Judgement(f".9 minus {said}", all_of([of_sign(gap) for gap in gaps.values()]))
