"""The learning rate and momentum that trainings were given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from superconv_ray.analysis.frames import finished_trainings, joined, placed
from superconv_ray.design.schedules import POLICIES, fields_of_policies, parameters

MOST_STEPS = 200


def schedule_table(
    trials: pd.DataFrame, by: Sequence[str] = (), curves: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Schedule of every arm, computed from the settings of its trainings; nothing is measured.

    A schedule is a pure function of the step, so the values are exact. Of a longer run, 200 steps
    are returned, evenly spread. A store does not have the user's own schedules: of these, the steps
    with a curve row are returned.

    Args:
        trials: As from ``open_store(...).trials(study)``; trainings count.
        by: Columns that distinguish schedules, such as ``["data_count"]`` if max_lr was chosen for
            each number of labels.
        curves: As from ``open_store(...).curves(study)``; without it, arms with a schedule of the
            user's own are left out.

    Returns:
        Columns: `by`, arm, step (0-based), lr, momentum (NaN if the optimizer has none).

    Raises:
        TypeError: `trials` is no frame.
        ValueError: A column is missing, or `by` does not distinguish schedules.
    """
    trainings = finished_trainings(trials, by, "steps")
    frames = []
    for key, group in trainings.groupby([*by, "arm"], dropna=False):
        settings = {_settings(row) for row in group.to_dict("records")}
        if len(settings) > 1:
            where = ", ".join(f"{n} {v}" for n, v in zip([*by, "arm"], key, strict=True))
            raise ValueError(
                f"by must distinguish schedules, but there are {len(settings)} at {where}"
            )
        policy, steps, given = settings.pop()
        if policy not in POLICIES:
            if curves is not None:
                frames.append(placed(_recorded(group, curves), [*by, "arm"], key))
            continue
        at = np.unique(np.linspace(0, steps - 1, min(MOST_STEPS, steps)).round().astype(int))
        rates = [POLICIES[policy](int(i), steps=steps, **dict(given)) for i in at]
        found = pd.DataFrame(rates, dtype=float).assign(step=at)
        frames.append(placed(found, [*by, "arm"], key))
    columns = [*by, "arm", "step", "lr", "momentum"]
    return joined(frames, columns)


def _recorded(trainings: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """The rates of an arm's first training at the steps of its curve rows."""
    rows = curves[curves["trial_id"] == trainings["trial_id"].iloc[0]].sort_values("step")
    found: pd.DataFrame = rows[["step", "lr", "momentum"]].reset_index(drop=True)
    return found.assign(step=found["step"] - 1)


def _settings(row: Mapping[Any, Any]) -> tuple[str, int, tuple[tuple[str, Any], ...]]:
    """Policy, steps, and the settings of the policy in a trial's row."""
    policy = str(row["policy"])
    names = parameters(policy) if policy in POLICIES else fields_of_policies()
    given = ((name, _plain(row[name])) for name in names)
    return policy, int(row["steps"]), tuple(given)


def _plain(value: Any) -> Any:
    """The value as the trial has it: None if not set."""
    return value if isinstance(value, tuple) else None if pd.isna(value) else value
