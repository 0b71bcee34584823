"""Which test samples runs classify correctly."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from superconv_ray.analysis.statistics.intervals import Floats

COLUMNS = ("test_correct", "test_count")


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
    return pd.Series([unpacked(*row) for row in rows], trainings.index, dtype=object)


def unpacked(packed: Any, count: Any, accuracy: float) -> npt.NDArray[np.bool_] | None:
    """Which of `count` samples are correct, from a cell of test_correct.

    Returns:
        None if nothing is known, or of another measurement: the share of correct samples must be
        the accuracy.
    """
    if not isinstance(packed, bytes):
        return None
    found = np.unpackbits(np.frombuffer(packed, np.uint8), count=int(count)).astype(bool)
    return found if math.isclose(found.mean(), accuracy, abs_tol=1e-9) else None


def stacked(correct: Iterable[Any]) -> Floats | None:
    """Correctness of some runs as 0 and 1, shape [runs, samples]; None if any is unknown."""
    found = list(correct)
    known = [right for right in found if isinstance(right, np.ndarray)]  # or None, or a merge's NaN
    if not known or len(known) < len(found) or len({len(right) for right in known}) > 1:
        return None
    return np.stack(known).astype(np.float64)


def gaps_by_sample(arm: Iterable[Any], baseline: Iterable[Any]) -> Floats | None:
    """Gaps of pairs on every test sample, -1, 0 or 1, shape [pairs, samples]; None if unknown."""
    sides = stacked(arm), stacked(baseline)
    if sides[0] is None or sides[1] is None or sides[0].shape != sides[1].shape:
        return None
    return sides[0] - sides[1]
