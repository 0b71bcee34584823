"""Checks of the frames that analyses take, and the trainings in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from superconv_ray.design.metrics import ACCURACY, Metric, metric_of
from superconv_ray.design.text import did_you_mean

REPLICATE = ["seed", "subset_seed"]
"""Columns that identify a replicate: runs of two arms that share both are a pair."""
TRIALS = "open_store(...).trials(study)"
CURVES = "open_store(...).curves(study)"
TRAINING_COLUMNS = ("trial_id", "role", "arm", "status")


def require_columns(
    frame: pd.DataFrame, columns: Iterable[str], argument: str = "trials", source: str = TRIALS
) -> None:
    """Check that an argument is the frame that an analysis needs.

    Args:
        frame: What the caller passed.
        columns: Columns that the analysis reads.
        argument: Name of the argument, for the message.
        source: Code that returns such a frame, for the message.

    Raises:
        TypeError: It is no frame.
        ValueError: A column is missing; the message names it and the frame that has it.
    """
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"{argument} must be the frame of {source}, got {type(frame).__name__}")
    missing = [name for name in columns if name not in frame]
    if not missing:
        return
    hint = ""
    if source == TRIALS and "step" in frame:
        hint = f"; this looks like the frame of {CURVES}"
    elif source == TRIALS and missing[0] in ("role", "arm") and "trial_id" in frame:
        hint = "; name the study, because only a study's trials have arms and roles"
    elif source == CURVES and "arm" in frame:
        hint = f"; this looks like the frame of {TRIALS}"
    raise ValueError(
        f"{argument} must be the frame of {source}, but it has no column {missing[0]!r}{hint}"
    )


def finished_trainings(trials: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """Return every training once per arm and point, even if several cells of the study share it.

    Args:
        trials: As from ``open_store(...).trials(study)``; range tests and tuning trials are left
            out.
        by: Columns that distinguish points.
        value: The column to analyze.

    Raises:
        TypeError: `trials` is no frame.
        ValueError: A column is missing, or a training's `value` is not finite.
    """
    require_columns(trials, TRAINING_COLUMNS)
    for argument, name in [*(("by", name) for name in by), ("value", value)]:
        if name not in trials:
            hint = did_you_mean(name, trials.columns)
            raise ValueError(f"{argument} must name columns of the trials, got {name!r}{hint}")
    found = trials[trials["role"] == "training"]
    lacking = found[~np.isfinite(found[value].to_numpy(np.float64, na_value=np.nan))]
    if len(lacking):
        raise ValueError(
            f"{value} must be finite in every training, got {lacking[value].iloc[0]} in trial "
            f"{lacking['trial_id'].iloc[0]} of arm {lacking['arm'].iloc[0]!r}"
        )
    return found.drop_duplicates([*by, "arm", "trial_id"])


def metric_in(trials: pd.DataFrame, column: str) -> Metric:
    """Return what a column holds: which direction of it is better, and its range.

    Args:
        trials: As from ``open_store(...).trials(study)``.
        column: Such as "test_accuracy", or "test_metric", whose metric the trials name. More of any
            other column is better.

    Raises:
        ValueError: The trials have several metrics.
    """
    if re.fullmatch(r"(\w+_)?accuracy(_reestimated)?", column):
        return ACCURACY
    if re.fullmatch(r"(\w+_)?metric(_reestimated)?", column):
        names = [name for name in ("metric", "metric_goal", "metric_unit") if name in trials]
        measured = trials[trials[column].notna()] if column in trials else trials
        found = measured[names].drop_duplicates(names[:1])
        if len(found) > 1:
            raise ValueError(f"{column} must be of one metric, got {', '.join(found['metric'])}")
        return metric_of(dict(found.iloc[0])) if len(found) else ACCURACY
    if column == "generalization_gap":
        return Metric(column, "generalization gap", least=-1.0, most=1.0)
    least = 0.0 if column.endswith("loss") else -np.inf
    return Metric(column, column.replace("_", " "), least=least)


def require_arms(found: pd.DataFrame, arms: Iterable[str]) -> None:
    """Raise ValueError, naming the arms that exist, if one of `arms` has no training."""
    for name in arms:
        if name not in set(found["arm"]):
            known = ", ".join(map(repr, sorted(set(found["arm"])))) or "none"
            raise ValueError(f"no finished training of arm {name!r}; there are: {known}")


def baselines_of(arm: str, baseline: str | Sequence[str]) -> list[str]:
    """Return the names of the baselines of an arm.

    Raises:
        ValueError: There is no baseline, or the arm is its own.
    """
    names = [baseline] if isinstance(baseline, str) else list(baseline)
    if not names:
        raise ValueError("baseline must name at least one arm, got none")
    if arm in names:
        raise ValueError(f"baseline must be another arm than {arm!r}, got {baseline!r}")
    return names


def require_distinct(found: pd.DataFrame, by: Sequence[str]) -> None:
    """Raise ValueError if an arm has several trainings of one replicate at one point of `by`."""
    require_columns(found, REPLICATE)
    place = [*by, *REPLICATE]
    for arm, own in found.groupby("arm", sort=True):
        if own.duplicated(place).any():
            raise ValueError(
                f"by must distinguish points, but arm {arm!r} has several trainings with the same "
                f"{', '.join(place)}"
            )


def placed(rows: pd.DataFrame, names: Sequence[str], values: Sequence[object]) -> pd.DataFrame:
    """Prepend to the rows of one point the columns that identify it; a value may be a tuple."""
    columns = {name: [value] * len(rows) for name, value in zip(names, values, strict=True)}
    return pd.concat([pd.DataFrame(columns, index=rows.index), rows], axis=1)


def joined(frames: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """Return these columns of all frames, one below the other; no row if there is no frame."""
    if not frames:
        return pd.DataFrame(columns=columns)
    return pd.concat(frames, ignore_index=True)[columns]
