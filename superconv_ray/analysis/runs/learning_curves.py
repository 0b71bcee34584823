"""Measurements during the trainings, averaged over seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from superconv_ray.analysis.frames import (
    CURVES,
    TRAINING_COLUMNS,
    finished_trainings,
    joined,
    metric_in,
    placed,
    require_columns,
    require_distinct,
)
from superconv_ray.analysis.statistics.intervals import interval_ends
from superconv_ray.design.metrics import Metric

MEASURES = (
    *("test_accuracy", "validation_accuracy", "test_metric", "validation_metric"),
    "train_loss",
)


def learning_curves(
    trials: pd.DataFrame,
    curves: pd.DataFrame,
    by: Sequence[str] = (),
    measures: Sequence[str] = MEASURES,
) -> pd.DataFrame:
    """Mean and 95 % interval over seeds for every arm, at the steps that all its seeds measured.

    So n is the same along the whole curve: a mean over the surviving seeds would rise where one is
    lost. After a training diverged, its accuracy or metric stays the last one, as in `arm_summary`.
    Its loss, or any other measure, is unknown there, and the mean ends. The intervals are those of
    `arm_summary`. They hold at each step by itself, not for the whole curve at once.

    Args:
        trials: As from ``open_store(...).trials(study)``; trainings count.
        curves: As from ``open_store(...).curves(study)``.
        by: Columns of the trials that distinguish points, such as ``["data_count"]``.
        measures: Columns of the curves; a column without any measurement has no rows.

    Returns:
        Columns: `by`, arm, step, measure, mean, low, high, n.

    Raises:
        TypeError: `trials` or `curves` is no frame.
        ValueError: A column is missing, or `by` does not distinguish trainings.
    """
    require_columns(trials, TRAINING_COLUMNS)
    require_columns(curves, ["trial_id", "step"], "curves", CURVES)
    measures = [name for name in measures if name in curves or name not in MEASURES]
    for name in measures:
        if name not in curves:
            raise ValueError(f"measures must name columns of the curves, got {name!r}")
    trainings = finished_trainings(trials, by, "steps_done")
    require_distinct(trainings, by)
    metrics = {name: metric_in(trainings, name) for name in measures}
    own = trainings[[*by, "arm", "trial_id", "status"]]
    kinds = {"trial_id": str, "step": np.int64, **dict.fromkeys(measures, np.float64)}
    rows = curves[list(kinds)].astype(kinds)
    measured = own.merge(rows, on="trial_id", how="inner")
    frames = [
        placed(found, [*by, "arm"], key)
        for key, group in measured.groupby([*by, "arm"], dropna=False)
        for found in _means(group, measures, metrics)
    ]
    columns = [*by, "arm", "step", "measure", "mean", "low", "high", "n"]
    return joined(frames, columns)


def _means(
    runs: pd.DataFrame, measures: Sequence[str], metrics: Mapping[str, Metric]
) -> Iterator[pd.DataFrame]:
    """For every measure of one curve's runs: the columns from step on."""
    diverged = list(runs.loc[runs["status"] == "diverged", "trial_id"].unique())
    tables = runs.pivot(index="step", columns="trial_id", values=list(measures))
    for measure in measures:
        table = pd.DataFrame(tables[measure]).replace([np.inf, -np.inf], np.nan)
        if metrics[measure].tasks or measure.endswith("metric"):
            table[diverged] = table[diverged].ffill()
        values = table.dropna()
        if len(values):
            n = values.shape[1]
            mean = values.mean(axis=1)
            low, high = interval_ends(
                metrics[measure], mean, values.std(axis=1), np.full(len(values), n)
            )
            found = pd.DataFrame({"mean": mean, "low": low, "high": high})
            yield found.assign(measure=measure, n=n).reset_index()
