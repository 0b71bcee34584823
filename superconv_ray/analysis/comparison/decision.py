"""Cost of deciding the rows of a comparison that are undecided."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from superconv_ray.analysis.comparison.verdicts import UNDECIDED
from superconv_ray.analysis.frames import TRAINING_COLUMNS, finished_trainings, require_columns

COMPARED = ("arm", "baseline", "mean", "low", "high", "n", "further_seeds", "note", "verdict")


def decision_cost(
    trials: pd.DataFrame,
    comparison: pd.DataFrame,
    by: Sequence[str] = (),
    value: str = "test_accuracy",
) -> pd.DataFrame:
    """Trainings, steps and hours that would decide the undecided rows of a comparison.

    Each further seed trains the arm and the baseline once, for as long as their trainings at that
    point took on average. Range tests and searches of further seeds are not included.

    Args:
        trials: The trials that were compared, as from ``open_store(...).trials(study)``.
        comparison: From `compare` of these trials.
        by: As for `compare`.
        value: As for `compare`.

    Returns:
        One row per undecided row. Columns: `by`, arm, baseline, mean, low, high, n, further_seeds,
        trainings, train_steps, hours, note. The last four counts are missing if the number of
        further seeds is unknown; the note says why.

    Raises:
        TypeError: An argument is no frame.
        ValueError: A column is missing.
    """
    require_columns(trials, [*TRAINING_COLUMNS, "train_seconds", "eval_seconds", "steps_done"])
    require_columns(comparison, [*by, *COMPARED], "comparison", "compare(...)")
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
    return found[[*by, *COMPARED[:-2], "trainings", "train_steps", "hours", "note"]]
