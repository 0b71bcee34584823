"""Settings that searches tried, and their scores."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from superconv_ray.analysis.frames import joined, require_columns

SCORE, SCORE_OF_METRIC = "validation_accuracy", "validation_metric"
COLUMNS = (
    "arm",
    "role",
    "cell",
    "seed",
    "status",
    "trial_id",
    "chosen",
    "chosen_from",
    "steps_done",
)
SEARCH = ["cell", "seed"]
"""Columns that tell the searches of an arm apart."""


def searched(trials: pd.DataFrame, by: Sequence[str] = ("data_count",)) -> pd.DataFrame:
    """Every setting that a search tried, with the score that the search saw.

    Args:
        trials: As from ``open_store(...).trials(study)``. The settings that an arm's search chose
            are read off its trainings, so an arm without a training has no rows.
        by: Columns that a cell's trials share and that identify the cell.

    Returns:
        One row per search, combination of settings, and setting. Columns: `by`, cell, seed (the
        first that the search is for; missing while it has no training), arm, setting (its name),
        tried (its value), score (mean validation accuracy of the combination's trials, where a
        diverged trial counts as 0; or their mean metric), trials, diverged, search_steps (of these
        trials together), chosen (the value that the search chose, which need not have been tried;
        missing while it has no training). Range tests are no search and have no rows.

    Raises:
        TypeError: `trials` is no frame.
        ValueError: A column is missing.
    """
    require_columns(trials, [*COLUMNS, SCORE, *by])
    tuning, trainings = (trials[trials["role"] == role] for role in ("tuning", "training"))
    frames = []
    for arm, tried in _with_seeds(tuning, trainings).groupby("arm"):
        own = trainings[trainings["arm"] == arm]
        names = list(dict.fromkeys(name for chosen in own["chosen"] for name in chosen))
        if names:
            frames.append(_of_arm(tried, own, by, names).assign(arm=arm))
    columns = [*by, *SEARCH, "arm", "setting", "tried", "score"]
    return joined(frames, [*columns, "trials", "diverged", "search_steps", "chosen"])


def _of_arm(
    tried: pd.DataFrame, trainings: pd.DataFrame, by: Sequence[str], names: Sequence[str]
) -> pd.DataFrame:
    """Scores of an arm's searches, one search after the other, and in each one setting after it."""
    scores = _scores(tried, [*SEARCH, *by, *names])
    taken = trainings.drop_duplicates(SEARCH)[[*SEARCH, *names]].astype({"seed": "Int64"})
    chosen = scores[SEARCH].merge(taken, on=SEARCH, how="left")
    settings = [
        scores.assign(setting=name, tried=scores[name], chosen=chosen[name]) for name in names
    ]
    return pd.concat(settings, ignore_index=True).sort_values(SEARCH, kind="stable")


def _with_seeds(tuning: pd.DataFrame, trainings: pd.DataFrame) -> pd.DataFrame:
    """Tuning trials; their seed is now the first one whose training uses what they chose."""
    place = ["arm", "cell", "trial_id"]
    used = trainings[["arm", "cell", "seed", "chosen_from"]].explode("chosen_from")
    first = used.rename(columns={"chosen_from": "trial_id"}).sort_values("seed", kind="stable")
    first = first.drop_duplicates(place).astype({"seed": "Int64"})
    return tuning.drop(columns="seed").merge(first, on=place, how="left")


def _scores(tried: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Score of every combination, in the order tried."""
    diverged = tried["status"] == "diverged"
    score = tried[SCORE].mask(diverged, 0.0)
    if SCORE_OF_METRIC in tried and tried[SCORE_OF_METRIC].notna().any():
        score = tried[SCORE_OF_METRIC]
    scored = tried.assign(score=score, diverged=diverged)
    groups = scored.groupby(list(names), sort=False, dropna=False)
    found = groups.agg(
        score=("score", "mean"),
        trials=("score", "size"),
        diverged=("diverged", "sum"),
        search_steps=("steps_done", "sum"),
    )
    return found.reset_index()
