"""Made-up trainings at one or two numbers of labels."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd


def run(arm: str, seed: int, accuracy: float, count: int = 100, **other: Any) -> dict[str, Any]:
    """A row of a study's trials."""
    return {
        "trial_id": f"{arm}-{seed}-{count}",
        "arm": arm,
        "role": "training",
        "status": "completed",
        "data_count": count,
        "seed": seed,
        "subset_seed": seed,
        "test_accuracy": accuracy,
        **other,
    }


def frame(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(list(rows))


def numbers(table: pd.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return list(table[list(columns)].itertuples(index=False, name=None))


TWO_POINTS = frame(
    run("b", 0, 0.50),
    run("b", 1, 0.60),
    run("a", 0, 0.70),
    run("a", 1, 0.70),
    run("a", 0, 0.90, count=1000),
    run("a", 1, 0.92, count=1000),
    run("b", 1, 0.94, count=1000),
    run("b", 0, 0.80, count=1000),
)

DECIDED: dict[str, Any] = {
    "arm": "a",
    "baseline": "b",
    "mean": 0.02,
    "low": 0.01,
    "high": 0.03,
    "sd": 0.01,
    "of_samples": math.nan,
    "n": 8,
    "runs": 8,
    "runs_baseline": 8,
    "diverged": 0,
    "diverged_baseline": 0,
    "chosen": 8,
    "chosen_baseline": 0,
    "choices": 8,
    "choices_baseline": 0,
    "verdict": "arm better",
    "further_seeds": pd.NA,
}
"""A row of a comparison with nothing to note."""
