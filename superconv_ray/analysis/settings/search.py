"""What searches of settings tried, and what came of it. Frames in, frames out."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from superconv_ray.analysis.statistics.replicates import placed

SCORE = "validation_accuracy"


def searched(trials: pd.DataFrame, by: Sequence[str] = ("data_count",)) -> pd.DataFrame:
    """Every setting that a search tried, with its score as the search saw it.

    Args:
        trials: As from ``open_store(...).trials(study)``. Which settings an arm's searches chose is
            known from its trainings: an arm without one has no rows.
        by: Columns that a cell's trials share, to tell cells apart by.

    Returns:
        A row a cell, combination of settings, and setting; columns: `by`, cell, arm, setting (its
        name), tried (its value), score (mean validation accuracy of the combination's trials; 0 for
        a diverged one), trials, diverged, chosen (whether the cell's trainings have the
        combination). Range tests, which choose too, are no search.
    """
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
    return (
        pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)
    )


def _scores(tried: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Every combination once, in the order tried."""
    diverged = tried["status"] == "diverged"
    scored = tried.assign(score=tried[SCORE].mask(diverged, 0.0), diverged=diverged)
    groups = scored.groupby(list(names), sort=False, dropna=False)
    found = groups.agg(
        score=("score", "mean"), trials=("score", "size"), diverged=("diverged", "sum")
    )
    return found.reset_index()
