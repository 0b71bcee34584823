"""Claims on the optimizer: with which does 1cycle gain on a step schedule, both tuned?"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from superconv_ray.analysis.scorecard.contrasts import per_replicate
from superconv_ray.analysis.scorecard.judgement import (
    CANNOT_TELL,
    DOES_NOT_HOLD,
    HOLDS,
    Judgement,
    Verdict,
    all_of,
    of_gain,
    points,
)
from superconv_ray.analysis.statistics.intervals import Interval

OPPOSITE: Mapping[Verdict, Verdict] = {
    HOLDS: DOES_NOT_HOLD,
    DOES_NOT_HOLD: HOLDS,
    CANNOT_TELL: CANNOT_TELL,
}


def optimizers(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    """Whether 1cycle gains with Nesterov momentum, AdaDelta and AdaGrad, and not with Adam."""
    gains = {name: _gain(trials, name) for name in ("nesterov", "adadelta", "adagrad", "adam")}
    verdicts = {name: of_gain(gain) for name, gain in gains.items()}
    verdicts["adam"] = OPPOSITE[verdicts["adam"]]
    said = ", ".join(f"{name} {points(gain)}" for name, gain in gains.items())
    return Judgement(f"at equal budget and tuning: {said}", all_of(verdicts))


def adamw(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    """Whether 1cycle gains with AdamW."""
    gain = _gain(trials, "adamw")
    return Judgement(f"at equal budget and tuning: {points(gain)}", of_gain(gain))


def _gain(trials: pd.DataFrame, optimizer: str) -> Interval:
    """1cycle minus the step schedule with an optimizer."""
    table = per_replicate(trials[trials["optimizer"] == optimizer])
    return (table["one_cycle"] - table["step"]).interval()
