"""Claims on the number of labels: the ICLR submission of 1708.07120, table 1, and its critique.

The study has the arms one_cycle, step, and step_stale_bn, which averages the statistics of batch
norm as published. It has two budgets: as in the paper, 1cycle's short one is compared with the step
schedule's long one.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from superconv_ray.analysis.scorecard.contrasts import short_against_long, slope
from superconv_ray.analysis.scorecard.judgement import (
    CANNOT_TELL,
    HOLDS,
    Judgement,
    all_of,
    of_gain,
    of_sign,
    points,
)
from superconv_ray.design.text import interval_text


def limited_data(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    """Whether there is a gain at the fewest labels, and labels being fewer favor it.

    A gap in points grows as all errors do, also if 1cycle always makes the same share of the step
    schedule's errors. So the growth is that of the ratio of errors.
    """
    short, long = short_against_long(trials, "step", "data_count")
    gaps = {n: short[n] - long[n] for n in short}
    tenths = [1 / float(n) for n in gaps]
    in_points = slope(list(gaps.values()), tenths).interval()
    logs = [long[n].log_error() - short[n].log_error() for n in gaps]
    ratio = slope(logs, tenths).interval()
    few, many = min(gaps), max(gaps)
    gain = gaps[few].interval()
    mean, low, high = np.exp(ratio[:3])
    growth = interval_text(mean, low, high, ".2f")
    return Judgement(
        f"{points(gain)} at {few:,} labels, {points(gaps[many].interval())} at {many:,}; for each "
        f"division by ten {points(in_points)}, and the ratio of mean errors, step over 1cycle, "
        f"{growth} times",
        all_of([of_gain(gain), of_sign(ratio)]),
    )


def limited_data_bn(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    """Whether re-estimated statistics give back most of what the baseline lacks at few labels."""
    short, stale = short_against_long(trials, "step_stale_bn", "data_count")
    again = short_against_long(trials, "step_stale_bn", "data_count", "test_accuracy_reestimated")
    few = min(short)
    behind, left = short[few] - stale[few], short[few] - again[1][few]
    gap, regained = behind.interval(), (behind - left).interval()
    most = of_sign((behind / 2 - left).interval())
    return Judgement(
        f"1cycle minus the published baseline at {few:,} labels: {points(gap)}; with its "
        f"statistics re-estimated {points(left.interval())}",
        all_of([of_gain(regained), most]) if of_gain(gap) == HOLDS else CANNOT_TELL,
    )
