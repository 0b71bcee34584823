"""What was measured on the way, averaged over seeds. Frames in, frames out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from superconv_ray.analysis.statistics.intervals import half_widths
from superconv_ray.analysis.statistics.replicates import (
    finished_trainings,
    placed,
    require_distinct,
)

MEASURES = ("test_accuracy", "validation_accuracy", "train_loss")


def learning_curves(
    trials: pd.DataFrame,
    curves: pd.DataFrame,
    by: Sequence[str] = (),
    measures: Sequence[str] = MEASURES,
) -> pd.DataFrame:
    """Mean and 95 % t interval over seeds of every arm, at the steps at which all seeds have one.

    So n is the same all along a curve and no seed is dropped from it: an average over survivors
    would rise where one is lost. From where a training diverged on, its accuracy is the last that
    was measured, as in `arm_summary`; of a loss, or of anything else, nothing can be said there,
    and the mean ends.

    Args:
        trials: As from ``open_store(...).trials(study)``; trainings count.
        curves: Their curves.
        by: Columns of the trials that tell points apart, such as ``["data_count"]``.
        measures: Columns of the curves; one that was measured nowhere has no rows.

    Returns:
        Columns: `by`, arm, step, measure, mean, low, high, n.

    Raises:
        ValueError: There is no such column, or `by` does not tell trainings apart.
    """
    for name in measures:
        if name not in curves:
            raise ValueError(f"measures must be of the curves' columns, got {name!r}")
    trainings = finished_trainings(trials, by, "steps_done")
    require_distinct(trainings, by)
    own = trainings[[*by, "arm", "trial_id", "status"]]
    rows = curves[["trial_id", "step", *measures]].astype({"trial_id": str, "step": np.int64})
    joined = own.merge(rows, on="trial_id", how="inner")
    frames = [
        placed(found, [*by, "arm"], key)
        for key, group in joined.groupby([*by, "arm"], dropna=False)
        for found in _means(group, measures)
    ]
    columns = [*by, "arm", "step", "measure", "mean", "low", "high", "n"]
    return (
        pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)
    )


def _means(runs: pd.DataFrame, measures: Sequence[str]) -> Iterator[pd.DataFrame]:
    """The columns from step on, for every measure of the runs of one curve."""
    diverged = list(runs.loc[runs["status"] == "diverged", "trial_id"].unique())
    for measure in measures:
        table = runs.pivot(index="step", columns="trial_id", values=measure).astype(np.float64)
        table = table.replace([np.inf, -np.inf], np.nan)
        if measure.endswith("accuracy"):
            table[diverged] = table[diverged].ffill()
        values = table.dropna()
        if len(values):
            n = values.shape[1]
            mean = values.mean(axis=1)
            half = half_widths(values.std(axis=1), np.full(len(values), n))
            found = pd.DataFrame({"mean": mean, "low": mean - half, "high": mean + half})
            yield found.assign(measure=measure, n=n).reset_index()
