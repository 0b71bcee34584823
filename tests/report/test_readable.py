"""Frames as people read them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from superconv_ray.design.metrics import ACCURACY, Metric
from superconv_ray.report.readable import Quantity, count, difference, measured, shown_columns

RMSE = Metric("rmse", "RMSE", maximize=False, unit="mm")
NAN = float("nan")


def shown(frame: pd.DataFrame, *quantities: Quantity, **words: Any) -> dict[str, Any]:
    """Texts by heading."""
    return {one.heading: one.texts for one in shown_columns(frame, quantities, words)}


def estimate(mean: float, low: float = NAN, high: float = NAN) -> pd.DataFrame:
    return pd.DataFrame({"mean": [mean], "low": [low], "high": [high]})


@pytest.mark.parametrize(
    ("frame", "quantity", "heading", "text"),
    [
        (
            estimate(-0.02444, -0.05, 0.01),
            difference(ACCURACY),
            "gap (points)",
            "-2.4 [-5.0, +1.0]",
        ),
        (
            estimate(0.97, 0.96, 0.98),
            measured(ACCURACY, "test"),
            "test accuracy (%)",
            "97.0 [96.0, 98.0]",
        ),
        (estimate(12.345, 11, 13), measured(RMSE, "test"), "test RMSE (mm)", "12.3 [11.0, 13.0]"),
        (estimate(0.5), difference(RMSE), "gap (mm)", "+0.500"),
        (estimate(1.0, 0.5, float("inf")), Quantity("factor"), "factor", "1 [0.5, inf]"),
        (estimate(NAN), difference(ACCURACY), "gap (points)", None),
        (pd.DataFrame({"n": [1437]}), count("seeds"), "seeds", "1,437"),
        (estimate(0.1, 0.2, 0.3), Quantity("from to", ("low", "high")), "from to", "[0.2, 0.3]"),
    ],
)
def test_a_quantity_is_one_column_in_its_unit(
    frame: pd.DataFrame, quantity: Quantity, heading: str, text: str | None
) -> None:
    assert shown(frame, quantity)[heading] == [text]
    assert set(shown(frame, quantity)) <= {heading, "mean"}  # the other columns are merged


def test_accuracies_durations_and_times_are_known_by_their_names() -> None:
    frame = pd.DataFrame(
        {
            "data_count": [1437],
            "seed": [1073741824],
            "test_accuracy_reestimated": [0.97654],
            "eval_seconds": [12.3],
            "hours": [0.01],
            "finished_at": [pd.Timestamp("2026-11-22T08:00:00.5", tz="UTC")],
        }
    )
    assert shown(frame) == {
        "labels": ["1,437"],
        "seed": ["1073741824"],
        "test accuracy reestimated (%)": ["97.7"],
        "eval time": ["12 s"],
        "train time": ["36 s"],
        "finished at (UTC)": ["2026-11-22 08:00:00"],
    }


def test_rows_may_have_units_of_their_own() -> None:
    frame = pd.DataFrame({"measure": ["test_accuracy", "train_loss"], "mean": [0.97, 0.25]})
    quantity = Quantity("mean", ("mean",), factor=pd.Series([100.0, 1.0]))
    found = shown(frame, quantity, measure={"test_accuracy": "test accuracy (%)"})
    assert found == {"measure": ["test accuracy (%)", "train_loss"], "mean": ["97", "0.25"]}


def test_words_in_place_of_numbers_are_no_numbers() -> None:
    frame = pd.DataFrame({"cell": [0, 2]})
    (column,) = shown_columns(frame, words={"cell": {0: "a, 72 labels", 2: "a, 144 labels"}})
    assert (column.texts, column.numeric) == (["a, 72 labels", "a, 144 labels"], False)


def test_texts_are_not_repeated_and_what_is_missing_has_none() -> None:
    frame = pd.DataFrame({"arm": ["a", "b"], "note": ["x", None], "lr": [0.123456, np.nan]})
    assert shown(frame) == {"arm": None, "note": ["x", None], "LR": ["0.1235", None]}
