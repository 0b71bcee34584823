"""The learning rate and the momentum that trainings were given. Frames in, frames out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from superconv_ray.analysis.statistics.replicates import finished_trainings, placed
from superconv_ray.design.schedules import POLICIES, parameters

POINTS = 200


def schedule_table(
    trials: pd.DataFrame, by: Sequence[str] = (), points: int = POINTS
) -> pd.DataFrame:
    """Every arm's schedule, as its trainings' settings have it: nothing here was measured.

    Args:
        trials: As from ``open_store(...).trials(study)``; trainings count.
        by: Columns that tell schedules apart, such as ``["data_count"]`` where max_lr was chosen.
        points: At how many steps at most, evenly over the run; a schedule is a pure function of
            the step, so these are exact.

    Returns:
        Columns: `by`, arm, step (0-based), lr, momentum.

    Raises:
        ValueError: `by` does not tell schedules apart, or is not of the trials' columns.
    """
    trainings = finished_trainings(trials, by, "steps")
    frames = []
    for key, group in trainings.groupby([*by, "arm"], dropna=False):
        settings = {_settings(row) for row in group.to_dict("records")}
        if len(settings) > 1:
            where = ", ".join(f"{n} {v}" for n, v in zip([*by, "arm"], key, strict=True))
            raise ValueError(
                f"by must tell schedules apart, but there are {len(settings)} at {where}"
            )
        policy, steps, given = settings.pop()
        at = np.unique(np.linspace(0, steps - 1, min(points, steps)).round().astype(int))
        rates = [POLICIES[policy](int(i), steps=steps, **dict(given)) for i in at]
        found = pd.DataFrame(rates).assign(step=at)
        frames.append(placed(found, [*by, "arm"], key))
    columns = [*by, "arm", "step", "lr", "momentum"]
    return (
        pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)
    )


def _settings(row: Mapping[Any, Any]) -> tuple[str, int, tuple[tuple[str, Any], ...]]:
    """Policy, steps, and the policy's own settings of a trial's row."""
    policy = str(row["policy"])
    given = ((name, _plain(row[name])) for name in parameters(policy))
    return policy, int(row["steps"]), tuple(given)


def _plain(value: Any) -> Any:
    """As in the trial that was stored: not set is None, and a list is a tuple."""
    if isinstance(value, (list, tuple, np.ndarray)):
        return tuple(map(float, value))
    return None if pd.isna(value) else value
