"""Claims on the number of labels: the ICLR submission of 1708.07120, table 1, and its critique.

The study has the arms one_cycle, step, and step_stale_bn, which averages the statistics of batch
norm as published. It has two budgets: as in the paper, 1cycle's short one is compared with the step
schedule's long one.
"""

from __future__ import annotations

import pandas as pd

from superconv_ray.analysis.scorecard.judgement import (
    CANNOT_TELL,
    HOLDS,
    Judgement,
    all_of,
    of_gain,
    of_sign,
    points,
    short_against_long,
    slope_interval,
)
from superconv_ray.analysis.statistics.intervals import mean_interval


def limited_data(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    """Whether the gap grows when labels become fewer, to a gain at the fewest labels."""
    gaps = short_against_long(trials, "step", ["data_count"])
    growth = slope_interval(gaps, [1 / float(n) for n in gaps.columns])
    few, many = (mean_interval(gaps[n]) for n in (gaps.columns[0], gaps.columns[-1]))
    return Judgement(
        f"{points(few)} at {gaps.columns[0]:,} labels, {points(many)} at {gaps.columns[-1]:,}; "
        f"{points(growth)} for each division by ten",
        all_of([of_gain(few), of_sign(growth)]),
    )


def limited_data_bn(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    """Whether re-estimated statistics give back most of what the baseline lacks at few labels."""
    stale, by = "step_stale_bn", ["data_count"]
    behind = short_against_long(trials, stale, by).iloc[:, 0]
    left = short_against_long(trials, stale, by, "test_accuracy_reestimated").iloc[:, 0]
    gap, regained = mean_interval(behind), mean_interval(behind - left)
    most = of_sign(mean_interval(behind / 2 - left))
    return Judgement(
        f"1cycle minus the published baseline at {behind.name:,} labels: {points(gap)}; with its "
        f"statistics re-estimated {points(mean_interval(left))}",
        all_of([of_gain(regained), most]) if of_gain(gap) == HOLDS else CANNOT_TELL,
    )
