from __future__ import annotations

import json
import math

import altair as alt
import numpy as np
import pandas as pd
import pytest

from superconv_ray.analysis.range_tests.tables import mean_curves, range_test_table, suggestions
from superconv_ray.report import charts
from tests.report.charts.drawn import NARROW, Drawing

POINTS = 50


def range_tests(status: str = "completed", cells: int = 1) -> pd.DataFrame:
    """Cells of two seeds; a hill of accuracy, and losses that mirror it."""
    accuracy = 0.1 + 0.8 * np.exp(-(((np.arange(POINTS) - 25) / 8) ** 2))
    frames = [
        pd.DataFrame(
            {
                "cell": cell,
                "trial_id": f"{cell}{seed}",
                "step": np.arange(1, POINTS + 1),
                "lr": np.linspace(0, 3, POINTS),
                "train_loss": 2.5 - 2 * accuracy,
                "validation_loss": 2.6 - 2 * accuracy,
                "validation_accuracy_reestimated": accuracy,
                "status": status,
            }
        )
        for cell in range(cells)
        for seed in (0, 1)
    ]
    return pd.concat(frames, ignore_index=True)


def chart_of(curves: pd.DataFrame, title: str = "few labels") -> alt.VConcatChart:
    return charts.range_tests(
        range_test_table(curves, ["cell"]),
        suggestions(curves, ["cell"]),
        mean_curves(curves, ["cell"]),
        {0: title, 1: "many labels"},
    )


@pytest.mark.parametrize("status", ["completed", "diverged"])
def test_every_test_has_its_title_panels_and_rules(status: str) -> None:
    text = chart_of(range_tests(status, cells=2)).to_json()
    drawn = json.loads(text)
    verdict = "collapse" if status == "diverged" else "peak"
    assert [test["title"]["text"] for test in drawn["vconcat"]] == [
        [f"few labels: {verdict}"],
        [f"many labels: {verdict}"],
    ]
    assert [len(test["vconcat"]) for test in drawn["vconcat"]] == [3, 3]
    for told in ("validation accuracy (%)", "loss (log scale)", "learning rate"):
        assert told in text
    assert ('"collapse"' in text) == (status == "diverged")


def test_the_axis_is_the_one_of_the_sweep() -> None:
    linear = range_tests()
    exponential = linear.assign(lr=np.geomspace(1e-3, 3, POINTS).tolist() * 2)
    for curves, title in ((linear, "learning rate"), (exponential, "learning rate (log scale)")):
        assert Drawing(chart_of(curves)).texts.count(title) == 1
    ticks = [float(text) for text in Drawing(chart_of(linear)).texts if text in ("0.0", "1.0")]
    assert ticks == [0, 1]


def test_the_recommended_rate_is_written_beside_its_line() -> None:
    table, rules = range_test_table(range_tests()), suggestions(range_tests())
    drawing = Drawing(chart_of(range_tests()))
    assert f"max_lr {table['max_lr'].iloc[0]:g}" in drawing.texts
    assert any("recommended max_lr" in told for told in drawing.marks("rule mark"))
    assert rules["lr"].iloc[0] == table["max_lr"].iloc[0]


def test_missing_values_are_left_out() -> None:
    text = chart_of(range_tests().query("lr < 0.6")).to_json()
    assert "slide" not in text  # too short a curve
    assert "NaN" not in text
    assert math.isnan(suggestions(range_tests().query("lr < 0.6"), ["cell"])["lr"].iloc[5])


def test_peak_plateau_and_every_rules_rate_are_marked_with_tooltips() -> None:
    rules = suggestions(range_tests())
    drawing = Drawing(chart_of(range_tests()))
    peak = f"{range_test_table(range_tests())['peak_lr'].iloc[0]:.3g} ["
    assert any(f"peak at learning rate: {peak}" in told for told in drawing.marks("point"))
    assert {f"{lr:.3g}" for lr in rules["lr"].dropna()} <= set(drawing.texts)
    plateaus = [told for told in drawing.marks("rect mark") if "plateau from" in told]
    assert len(plateaus) == 3  # in every panel


def test_a_long_title_is_wrapped() -> None:
    title = "small_cnn on digits, 144 labels, batch_size=16, weight_decay=0.0001, dropout=0.2"
    heading = chart_of(range_tests(), title).to_dict()["vconcat"][0]["title"]["text"]
    assert " ".join(heading) == f"{title}: peak"
    assert max(map(len, heading)) <= 54


def test_a_test_that_measured_nothing_is_not_drawn() -> None:
    both = range_tests(cells=2)
    both.loc[both["cell"] == 1, "validation_accuracy_reestimated"] = 0.0
    assert len(chart_of(both).to_dict()["vconcat"]) == 1


def test_a_rule_is_shown_with_its_rate_and_cost() -> None:
    frame = pd.DataFrame(
        {
            "rule": ["accuracy_peak", "valley", "steep"],
            "lr": [0.27, 0.0003, math.nan],
            "cost": [0.012, math.nan, math.nan],
            "low": [0.002, math.nan, math.nan],
            "high": [0.025, math.nan, math.nan],
            "note": ["", "trained only from 0.003 to 10", "the curve is too short"],
        }
    )
    drawing = Drawing(charts.lr_rules(frame), NARROW)
    assert {"LR 0.27", "LR 0.0003: not known", "no rate"} <= set(drawing.texts)
    assert "cost of accuracy (points)" in drawing.texts
    (point,) = drawing.marks("point")
    assert "cost [95 % interval] in points: 1.2 [0.2, 2.5]" in point
