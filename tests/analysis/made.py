"""Made-up trials, as `open_store(...).trials(study)` returns them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd


def run(arm: str, seed: int, accuracy: float, **other: Any) -> dict[str, Any]:
    """A row of a study's trials."""
    row = {
        "arm": arm,
        "role": "training",
        "status": "completed",
        "data_count": 100,
        "steps": 100,
        "seed": seed,
        "subset_seed": seed,
        "test_accuracy": accuracy,
        **other,
    }
    trial_id = "-".join(str(row[name]) for name in ("arm", "seed", "data_count", "steps"))
    return {"trial_id": trial_id, **row}


def frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame([dict(row) for row in rows])


def curve(arm: str, axis: str, points: Mapping[int, float | tuple[float, ...]]) -> pd.DataFrame:
    """An arm's accuracies along an axis, one a seed."""
    return frame(
        run(arm, seed, accuracy, **{axis: at})
        for at, accuracies in points.items()
        for seed, accuracy in enumerate(np.atleast_1d(accuracies))
    )


def power_law(a: float, b: float, c: float) -> Callable[[float], float]:
    """The error that the law a n^-b + c predicts for n."""
    return lambda n: float(a * n**-b + c)


def noisy(
    arms: Mapping[str, Callable[[float], float]],
    axis: str,
    points: Iterable[int],
    seeds: int,
    noise: float,
    random: np.random.Generator,
) -> pd.DataFrame:
    """Errors that deviate relatively, half of the variance from what a seed's arms share."""
    rows = []
    for at in points:
        for seed in range(seeds):
            shared = random.normal()
            for arm, error in arms.items():
                deviation = noise * (shared + random.normal()) / np.sqrt(2)
                accuracy = 1 - error(at) * (1 + deviation)
                rows.append(run(arm, seed, accuracy, **{axis: at}))
    return frame(rows)


def rows(table: pd.DataFrame) -> list[Any]:
    """Rows with their columns as attributes."""
    return list(table.itertuples(index=False))
