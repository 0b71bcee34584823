"""Single arms: accuracy, generalization gap, and cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from superconv_ray.analysis.frames import (
    finished_trainings,
    metric_in,
    require_columns,
    require_distinct,
)
from superconv_ray.analysis.statistics.correctness import correctness, stacked
from superconv_ray.analysis.statistics.crossed import (
    SEEDS,
    SEEDS_AND_SAMPLES,
    crossed_interval,
)
from superconv_ray.analysis.statistics.intervals import interval_ends, share_ends


def arm_summary(
    trials: pd.DataFrame, by: Sequence[str] = (), value: str = "test_accuracy"
) -> pd.DataFrame:
    """Mean and 95 % interval over seeds for every arm at every point.

    Shares, such as accuracies, get the interval of `accuracy_ends`, a t interval on the logit
    scale, which stays between 0 and 100 %; other columns get Student's t interval within their
    range. Where the trials tell which test samples are right, intervals of test accuracies are over
    seeds and test samples (`crossed_interval`). An interval describes one arm. To compare two arms
    use `compare`, which pairs their seeds.

    Args:
        trials: As from ``open_store(...).trials(study, correctness=True)``. Trainings count, range
            tests do not. A diverged training counts with what it measured, so that no arm gains by
            losing runs.
        by: Columns that distinguish points, such as ``["data_count"]``.
        value: Column to average.

    Returns:
        Columns: `by`, arm, mean, low, high, n, interval_over ("seeds and test samples" or "seeds"),
        diverged. With one seed, low and high are NaN.

    Raises:
        TypeError: `trials` is no frame.
        ValueError: A column is missing; a training's `value` is not finite, or is a share outside
            [0, 1]; or an arm has several trainings of one seed at a point of `by`.
    """
    trainings = finished_trainings(trials, by, value)
    require_distinct(trainings, by)
    metric = metric_in(trainings, value)
    least, most = trainings[value].min(), trainings[value].max()
    if metric.share and (least < 0 or most > 1):
        raise ValueError(
            f"{value} must be in [0, 1] as {metric.label} is, got {least:g} to {most:g}"
        )
    trainings["diverged"] = trainings["status"] == "diverged"
    trainings["correct"] = correctness(trainings, value)
    groups = trainings.groupby([*by, "arm"], dropna=False)
    table = group_means(groups[value])
    low, high = interval_ends(metric, table["mean"], table["sd"], table["n"])
    over = [SEEDS] * len(table)
    for place, (_, correct) in enumerate(groups["correct"]):
        by_sample = stacked(correct)
        if by_sample is not None and len(by_sample) > 1:
            mean, _, end, _ = crossed_interval(by_sample)
            low[place], high[place] = share_ends(mean, end - mean)
            over[place] = SEEDS_AND_SAMPLES
    table["low"], table["high"], table["interval_over"] = low, high, over
    table["diverged"] = groups["diverged"].sum()
    return table[["mean", "low", "high", "n", "interval_over", "diverged"]].reset_index()


def group_means(values: Any) -> pd.DataFrame:
    """Mean, n and sd of every group of a grouped column; missing values do not count.

    sd is NaN for one value, and exactly 0 for equal values.
    """
    table: pd.DataFrame = values.agg(mean="mean", n="count", sd="std", least="min", most="max")
    # Rounding errors give equal values a deviation.
    table["sd"] = table["sd"].mask(table["least"] == table["most"], 0).where(table["n"] > 1)
    return table[["mean", "n", "sd"]]


def generalization_gap(trials: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """Training accuracy minus test accuracy, for every arm at every point.

    This is the gap of 1708.07120, figure 5. Training accuracy is measured at the end, on at most
    10,000 training samples without augmentation. A diverged training counts with what it measured.

    Args:
        trials: As for `arm_summary`.
        by: Columns that distinguish points.

    Returns:
        Columns of `arm_summary`; the intervals are over seeds.

    Raises:
        TypeError: `trials` is no frame.
        ValueError: A column is missing, a training lacks one of the two accuracies, or an arm has
            several trainings of one seed at a point of `by`.
    """
    require_columns(trials, ["train_accuracy", "test_accuracy"])
    gap = trials["train_accuracy"] - trials["test_accuracy"]
    return arm_summary(trials.assign(generalization_gap=gap), by, "generalization_gap")


def effort(trials: pd.DataFrame) -> pd.DataFrame:
    """Trials and optimizer steps that every arm took, including the choice of its settings.

    Args:
        trials: As for `arm_summary`. A trial that several cells of an arm share counts once.

    Returns:
        Columns: arm, role, trials, steps. Every role but "training" chooses settings.

    Raises:
        TypeError: `trials` is no frame.
        ValueError: A column is missing.
    """
    require_columns(trials, ["arm", "role", "trial_id", "steps_done"])
    once = trials.drop_duplicates(["arm", "role", "trial_id"])
    groups = once.groupby(["arm", "role"])["steps_done"]
    return groups.agg(trials="size", steps="sum").reset_index()
