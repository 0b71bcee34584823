from __future__ import annotations

from itertools import product

import pandas as pd
import pytest

from superconv_ray.report import charts
from tests.report.charts.drawn import NARROW, Drawing

ARMS = ["a", "b"]
DECAYS, RATES = (1e-5, 1e-4, 1e-2), (0.1, 1.0)


def cells() -> pd.DataFrame:
    rows = [
        {"max_lr": lr, "weight_decay": decay, "mean": 0.5 + 0.1 * i, "n": 2, "arm": "a"}
        for i, (lr, decay) in enumerate(product(RATES, DECAYS))
    ]
    return pd.DataFrame(rows).assign(low=0.4, high=0.9, diverged=0)


def optima() -> pd.DataFrame:
    return pd.DataFrame(
        {"max_lr": RATES, "best": [1e-2, 1e-2], "low": [1e-4, None], "high": [1e-2, None]}
    )


def test_every_cell_has_its_number_and_settings_are_in_order() -> None:
    drawing = Drawing(charts.heatmap(cells(), optima(), x="max_lr", y="weight_decay"))
    assert {f"{value:.1f}" for value in (50, 60, 70, 80, 90, 100)} <= set(drawing.texts)
    axis = [text for text in drawing.texts if text in ("1e-05", "0.0001", "0.01")]
    assert axis == ["0.01", "0.0001", "1e-05"]  # from the top
    assert {"max LR", "weight decay", "accuracy (%)"} <= set(drawing.texts)


def test_the_best_cell_is_framed_with_its_interval_if_there_is_one() -> None:
    drawing = Drawing(charts.heatmap(cells(), optima(), x="max_lr", y="weight_decay"))
    assert len(drawing.marks("rect mark")) == 6 + 2
    (bar,) = drawing.marks("rule mark")
    assert "best from: 0.0001; to: 0.01" in bar


def test_many_cells_have_no_numbers() -> None:
    many = pd.DataFrame({"max_lr": range(1, 12), "weight_decay": 0.1, "mean": 0.123})
    many = many.assign(low=None, high=None, n=1)
    none = pd.DataFrame(columns=["max_lr", "best", "low", "high"])
    drawing = Drawing(charts.heatmap(many, none, x="max_lr", y="weight_decay"), NARROW)
    assert "12.3" not in drawing.texts
    assert len(drawing.marks("rect mark")) == 11


def test_arms_are_panels() -> None:
    both = pd.concat([cells(), cells().assign(arm="b")])
    best = pd.concat([optima().assign(arm="a"), optima().assign(arm="b")])
    chart = charts.heatmap(both, best, x="max_lr", y="weight_decay", facet=["arm"])
    assert {"arm a", "arm b"} <= set(Drawing(chart).texts)
    with pytest.raises(
        ValueError, match="facet must tell cells apart, but several rows share max_"
    ):
        charts.heatmap(both, optima(), x="max_lr", y="weight_decay")


def tried() -> pd.DataFrame:
    rows = [
        {"arm": arm, "data_count": n, "setting": setting, "tried": value, "score": 0.5}
        for arm in ARMS
        for n in (100, 2000)
        for setting, values in (("max_lr", (0.01, 0.3, 10)), ("dropout", (0.0, 0.2)))
        for value in values
    ]
    chosen = {"max_lr": 0.25, "dropout": 0.1}
    return pd.DataFrame(rows).assign(
        trials=1, diverged=0, cell=0, chosen=lambda t: t["setting"].map(chosen)
    )


def test_every_setting_has_an_axis_and_chosen_values_a_line() -> None:
    drawing = Drawing(charts.searched(tried(), ARMS), NARROW)
    assert {"max LR (log scale)", "dropout", "validation accuracy (%)"} <= set(drawing.texts)
    assert len(drawing.marks("point")) == len(tried())
    assert len(drawing.marks("rule mark")) == len(tried())
    assert drawing.texts.count("2,000 labels") == 2
    assert drawing.width <= 420
