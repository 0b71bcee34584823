"""Claims on the network: the ICLR submission of 1708.07120."""

from __future__ import annotations

import pandas as pd

from superconv_ray.analysis.scorecard.contrasts import short_against_long
from superconv_ray.analysis.scorecard.judgement import (
    Judgement,
    all_of,
    of_gain,
    of_sign,
    points,
)


def depth(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    """Whether the shallowest network gains, and gains more than the deepest.

    1cycle's shortest budget is compared with the step schedule's longest.
    """
    short, long = short_against_long(trials, "step", "model")
    by_size = trials.groupby("model")["parameters"].first().sort_values().index
    shallow, deep = (short[model] - long[model] for model in (by_size[0], by_size[-1]))
    gain, difference = shallow.interval(), (shallow - deep).interval()
    return Judgement(
        f"{by_size[0]} {points(gain)}, {by_size[-1]} {points(deep.interval())}; "
        f"difference {points(difference)}",
        all_of([of_gain(gain), of_sign(difference)]),
    )
