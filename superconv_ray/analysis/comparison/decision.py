"""What it would cost to decide what is undecided."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from superconv_ray.analysis.comparison.verdicts import UNDECIDED
from superconv_ray.analysis.statistics.replicates import finished_trainings


def decision_cost(
    trials: pd.DataFrame,
    comparison: pd.DataFrame,
    by: Sequence[str] = (),
    value: str = "test_accuracy",
) -> pd.DataFrame:
    """How many more trainings, steps and hours the undecided rows of a comparison would take.

    Every further seed trains the arm and the baseline once; their time is the mean of those that
    were trained there. Range tests and searches that a further seed may bring are not counted.

    Args:
        trials: As from ``open_store(...).trials(study)``, those that were compared.
        comparison: From `compare` of these trials.
        by: As for `compare`.
        value: As for `compare`.

    Returns:
        One row an undecided row; columns: `by`, arm, baseline, mean, low, high, n, further_seeds,
        trainings, train_steps, hours, note. Missing where it cannot be said how many seeds it would
        take; the note says why.
    """
    trained = finished_trainings(trials, by, value)
    trained = trained.assign(hours=(trained["train_seconds"] + trained["eval_seconds"]) / 3600)
    each = trained.groupby([*by, "arm"], dropna=False).agg(
        train_steps=("steps_done", "mean"), hours=("hours", "mean")
    )
    found = comparison[comparison["verdict"] == UNDECIDED]
    for side in ("arm", "baseline"):
        own = each.add_suffix(f"_{side}").rename_axis(index={"arm": side}).reset_index()
        found = found.merge(own, on=[*by, side], how="left")
    seeds = found["further_seeds"]
    found["trainings"] = 2 * seeds
    for cost in ("train_steps", "hours"):
        found[cost] = seeds.astype("Float64") * (found[f"{cost}_arm"] + found[f"{cost}_baseline"])
    shown = [*by, "arm", "baseline", "mean", "low", "high", "n", "further_seeds"]
    return found[[*shown, "trainings", "train_steps", "hours", "note"]]
