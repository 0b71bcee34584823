"""Claims that a large learning rate leaves less room for other regularization.

Their studies sweep max_lr and the other regularizer, under the arm one_cycle.
"""

from __future__ import annotations

import pandas as pd

from superconv_ray.analysis.scorecard.contrasts import mean_of, of_arm, per_replicate
from superconv_ray.analysis.scorecard.judgement import (
    Judgement,
    negative,
    of_sign,
    points,
)
from superconv_ray.analysis.settings.optimum import optimum, optimum_shift
from superconv_ray.analysis.statistics.intervals import Interval
from superconv_ray.design.text import interval_text


def weight_decay(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    """Whether the best weight decay falls when max_lr grows."""
    (shift,) = optimum_shift(trials, "weight_decay", "max_lr").to_dict("records")
    slope, low, high, seeds = (shift[name] for name in ("slope", "low", "high", "seeds"))
    best = optimum(trials, "weight_decay", ["max_lr"]).to_dict("records")
    said = "; ".join(
        f"best at max_lr {row['max_lr']:g}: {row['best']:g} [{row['low']:g}, {row['high']:g}]"
        for row in best
    )
    return Judgement(
        f"{interval_text(slope, low, high, '+.1f')} decades per decade of max_lr; {said}",
        of_sign(negative(Interval(slope, low, high, seeds))),
    )


def dropout(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    """Whether dropout helps less, or harms more, at the largest max_lr than at the smallest."""
    table = of_arm(per_replicate(trials, ["max_lr", "dropout"]), "one_cycle")
    rates = sorted({rate for rate, _ in table})
    gains = [
        mean_of([own for (at, dropout), own in table.items() if at == rate and dropout])
        - table[rate, 0.0]
        for rate in (rates[0], rates[-1])
    ]
    small, large = (gain.interval() for gain in gains)
    fall = (gains[0] - gains[1]).interval()
    return Judgement(
        f"dropout changes accuracy by {points(small)} at max_lr {rates[0]:g}, by {points(large)} "
        f"at {rates[-1]:g}; difference {points(fall)}",
        of_sign(fall),
    )
