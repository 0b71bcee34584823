"""Which test samples the runs of a comparison classify correctly, pair by pair."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from superconv_ray.analysis.statistics.intervals import Floats

COLUMNS = ("test_correct", "test_count")
SEEDS_ONLY = "interval over seeds only: it takes the test samples as given"
"""Note on an accuracy whose trials do not tell which test samples are right."""


def correctness(trainings: pd.DataFrame, value: str) -> pd.Series[Any]:
    """Which test samples each training classifies correctly: bool [samples]; None if unknown.

    Args:
        trainings: As from ``open_store(...).trials(study, correctness=True)``; without these
            columns, nothing is known.
        value: Column that is compared. Only accuracies on the test set have correctness: the share
            of correct samples must be the value.
    """
    if any(name not in trainings for name in COLUMNS):
        return pd.Series(None, trainings.index, dtype=object)
    packed, count = (trainings[name] for name in COLUMNS)
    again = f"{COLUMNS[0]}_reestimated"
    if value.endswith("_reestimated") and again in trainings:
        packed = trainings[again].where(trainings[again].notna(), packed)
    rows = zip(packed, count, trainings[value], strict=True)
    return pd.Series([_unpacked(*row) for row in rows], trainings.index, dtype=object)


def _unpacked(packed: Any, count: Any, accuracy: float) -> npt.NDArray[np.bool_] | None:
    """Samples from a cell of test_correct; None if their share is not the accuracy."""
    if not isinstance(packed, bytes):
        return None
    found = np.unpackbits(np.frombuffer(packed, np.uint8), count=int(count)).astype(bool)
    return found if math.isclose(found.mean(), accuracy, abs_tol=1e-9) else None


def stacked(runs: pd.DataFrame, side: str = "") -> Floats | None:
    """Correctness of some runs as 0 and 1, shape [runs, samples]; None if any is unknown.

    Args:
        runs: From `paired_runs`.
        side: "" for the arm, "_baseline" for the baseline.
    """
    found = list(runs[f"correct{side}"])
    known = [right for right in found if isinstance(right, np.ndarray)]  # or None, or a merge's NaN
    if not known or len(known) < len(found) or len({len(right) for right in known}) > 1:
        return None
    return np.stack(known).astype(np.float64)


def gap_table(runs: pd.DataFrame) -> Floats | None:
    """Gaps of pairs on every test sample, -1, 0 or 1, shape [pairs, samples]; None if unknown."""
    arm, baseline = stacked(runs), stacked(runs, "_baseline")
    if arm is None or baseline is None or arm.shape != baseline.shape:
        return None
    return arm - baseline
