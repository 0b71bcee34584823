"""Settings that searches tried, and their scores."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from superconv_ray.analysis.frames import joined, placed, require_columns

SCORE = "validation_accuracy"


def searched(trials: pd.DataFrame, by: Sequence[str] = ("data_count",)) -> pd.DataFrame:
    """Every setting that a search tried, with the score that the search saw.

    Args:
        trials: As from ``open_store(...).trials(study)``. The settings that an arm's search chose
            are read off its trainings, so an arm without a training has no rows.
        by: Columns that a cell's trials share and that identify the cell.

    Returns:
        One row per cell, combination of settings, and setting. Columns: `by`, cell, arm, setting
        (its name), tried (its value), score (mean validation accuracy of the combination's trials,
        where a diverged trial counts as 0), trials, diverged, chosen (whether the cell's trainings
        have the combination). Range tests are no search and have no rows.

    Raises:
        TypeError: `trials` is no frame.
        ValueError: A column is missing.
    """
    require_columns(trials, ["arm", "role", "cell", "status", "chosen", SCORE, *by])
    tuning, trainings = (trials[trials["role"] == role] for role in ("tuning", "training"))
    frames = []
    for key, tried in tuning.groupby(["arm", "cell"]):
        own = trainings[trainings["arm"] == key[0]]
        names = list(dict.fromkeys(name for chosen in own["chosen"] for name in chosen))
        if names:
            scores = placed(_scores(tried, [*by, *names]), ["arm", "cell"], key)
            taken = own.loc[own["cell"] == key[1], names].drop_duplicates()
            found = scores.merge(taken.assign(chosen=True), on=names, how="left")
            found["chosen"] = found["chosen"].eq(True)
            frames += [found.assign(setting=name, tried=found[name]) for name in names]
    columns = [*by, "cell", "arm", "setting", "tried", "score", "trials", "diverged", "chosen"]
    return joined(frames, columns)


def _scores(tried: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Score of every combination, in the order tried."""
    diverged = tried["status"] == "diverged"
    scored = tried.assign(score=tried[SCORE].mask(diverged, 0.0), diverged=diverged)
    groups = scored.groupby(list(names), sort=False, dropna=False)
    found = groups.agg(
        score=("score", "mean"), trials=("score", "size"), diverged=("diverged", "sum")
    )
    return found.reset_index()
