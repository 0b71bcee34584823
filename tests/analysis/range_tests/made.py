"""Curve rows of made-up range tests, as `join_range_tests` returns them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from superconv_ray.analysis.range_tests.tables import range_test_table

POINTS = 60
RATES = np.geomspace(1e-3, 10, POINTS)
MIDDLE = 30


def hill(top: int = MIDDLE, width: float = 8.0) -> npt.NDArray[np.float64]:
    """An accuracy of 0.1 to 0.9 with its peak at a point."""
    return 0.1 + 0.8 * np.exp(-(((np.arange(POINTS) - top) / width) ** 2))


def curve(
    accuracy: npt.ArrayLike,
    seed: int = 0,
    *,
    labels: str = "validation",
    status: str = "completed",
    rates: npt.NDArray[np.float64] = RATES,
    **columns: Any,
) -> pd.DataFrame:
    """The rows of one range test; its losses mirror its accuracy."""
    accuracies = np.asarray(accuracy, dtype=np.float64)
    count = len(accuracies)
    held_out = {f"{labels}_loss": 3 - 2 * accuracies, f"{labels}_accuracy_reestimated": accuracies}
    fields = {
        "trial_id": f"{labels}{seed}",
        "seed": seed,
        "step": np.arange(1, count + 1),
        "lr": rates[:count],
        "train_loss": 2.5 - 2 * accuracies,
        "status": status,
    }
    return pd.DataFrame({**fields, **held_out, **columns})


def replicates(*accuracies: npt.ArrayLike, **settings: Any) -> pd.DataFrame:
    rows = [curve(accuracy, seed, **settings) for seed, accuracy in enumerate(accuracies)]
    return pd.concat(rows, ignore_index=True)


def only_row(curves: pd.DataFrame) -> Any:
    table = range_test_table(curves)
    assert len(table) == 1
    return table.iloc[0]


def step(rise: int, fall: int = POINTS) -> npt.NDArray[np.float64]:
    """An accuracy that rises slowly to 0.9, stays there nearly, and falls to 0.1."""
    rising = np.interp(np.arange(POINTS), [0, rise, POINTS], [0.1, 0.9, 0.88])
    return np.where(np.arange(POINTS) < fall, rising, 0.1)


def cut(accuracy: Sequence[float], points: int, noticed_at: float, seed: int) -> pd.DataFrame:
    """A run that diverged after so many points, which a last row tells."""
    rates = np.append(RATES[:points], noticed_at)
    rows = curve([*accuracy[:points], 0.1], seed, status="diverged", rates=rates)
    rows.loc[points, ["train_loss", "validation_loss"]] = math.nan
    return rows


def slope(rise: int) -> npt.NDArray[np.float64]:
    """An accuracy that rises to 0.9 and falls slowly to 0.8."""
    return np.interp(np.arange(POINTS), [0, rise, POINTS - 1], [0.1, 0.9, 0.8])
