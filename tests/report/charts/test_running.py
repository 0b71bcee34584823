from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from superconv_ray.report import charts
from tests.report.charts.drawn import NARROW, Drawing

ARMS = ["a", "b"]


def curves(**other: Any) -> pd.DataFrame:
    """Two arms' accuracy and loss at two steps, as `analysis.learning_curves` gives them."""
    rows = [
        {"arm": arm, "step": step, "measure": measure, "mean": mean, "n": 2}
        for arm in ARMS
        for step in (1, 100)
        for measure, mean in (("test_accuracy", step / 200), ("train_loss", 2 / step))
    ]
    return pd.DataFrame(rows).assign(
        low=lambda t: t["mean"] * 0.9, high=lambda t: t["mean"] * 1.1, **other
    )


def rates(momentum: float = 0.9, **other: Any) -> pd.DataFrame:
    rows = [
        {"arm": arm, "step": step, "lr": lr, "momentum": momentum}
        for arm in ARMS
        for step, lr in enumerate((0.1, 1.0, 0.1))
    ]
    return pd.DataFrame(rows).assign(**other)


def test_accuracy_and_loss_are_stacked_with_bands() -> None:
    drawing = Drawing(charts.learning_curves(curves(), ARMS))
    assert {"test accuracy (%)", "training loss (log scale)", "step"} <= set(drawing.texts)
    assert len(drawing.marks("area mark")) == len(drawing.marks("line mark")) == 2 * 2
    told = "test accuracy (%) [95 % interval]: 50.0 [45.0, 55.0]"
    assert any(told in mark for mark in drawing.marks("point"))
    assert drawing.texts.count("a") == 1  # one legend for both


def test_without_intervals_only_lines_are_drawn() -> None:
    one_seed = curves().assign(low=float("nan"), high=float("nan"))
    drawing = Drawing(charts.learning_curves(one_seed, ARMS))
    assert drawing.marks("area mark") == []
    assert len(drawing.marks("line mark")) == 4


def test_a_loss_that_reached_zero_is_left_out() -> None:
    frame = curves()
    frame.loc[(frame["measure"] == "train_loss") & (frame["step"] == 100), "mean"] = 0.0
    drawing = Drawing(charts.learning_curves(frame, ARMS))
    losses = [mark for mark in drawing.marks("point") if "training loss" in mark]
    assert len(losses) == 2


def test_every_panel_has_its_curves_and_a_narrow_page_shows_them() -> None:
    both = pd.concat([curves(data_count=100), curves(data_count=2000)])
    drawing = Drawing(charts.learning_curves(both, ARMS, ["data_count"]), NARROW)
    assert drawing.texts.count("2,000 labels") == 2
    assert len(drawing.marks("line mark")) == 8
    assert drawing.width <= 420


def test_steps_are_whole_numbers_written_in_full() -> None:
    few = Drawing(charts.schedules(rates(), ARMS)).texts
    many = Drawing(charts.learning_curves(curves().replace({"step": {100: 5000}}), ARMS)).texts
    assert {"0", "1", "2"} <= set(few)
    assert "4,000" in many
    assert not any("e+" in text for text in [*few, *many])


def test_every_step_has_a_tooltip_with_rate_and_momentum() -> None:
    drawing = Drawing(charts.schedules(rates(), ARMS))
    assert {"learning rate", "momentum", "step"} <= set(drawing.texts)
    assert len(drawing.marks("point")) == 2 * len(rates())
    assert all(
        "learning rate" in told and "momentum: 0.9" in told for told in drawing.marks("point")
    )


@pytest.mark.parametrize(("momenta", "drawn"), [((0.9, 0.9), 1), ((0.9, 0.8), 2)])
def test_momentum_is_drawn_once_where_all_panels_share_it(
    momenta: tuple[float, float], drawn: int
) -> None:
    parts = [rates(m, data_count=n) for n, m in zip((100, 200), momenta, strict=True)]
    drawing = Drawing(charts.schedules(pd.concat(parts), ARMS, ["data_count"]))
    assert drawing.texts.count("100 labels") == drawn


def test_a_short_and_a_long_run_have_axes_of_their_own() -> None:
    long = rates(data_count=200).assign(step=lambda t: 250 * t["step"], momentum=0.8)
    drawing = Drawing(
        charts.schedules(pd.concat([rates(data_count=100), long]), ARMS, ["data_count"])
    )
    assert drawing.texts.count("500") == 2  # below the long run's rate and momentum


def test_estimates_of_a_short_and_a_long_run_have_steps_of_their_own() -> None:
    measures = {"test_accuracy": "hessian_free_lr_smoothed", "train_loss": "lr"}
    short = curves(data_count=100).replace({"measure": measures})
    long = short.assign(data_count=200, step=lambda t: 5 * t["step"])
    drawing = Drawing(charts.hessian_free(pd.concat([short, long]), ARMS, ["data_count"]))
    assert drawing.texts.count("500") == 1


def test_nothing_measured_is_an_empty_chart() -> None:
    assert Drawing(charts.learning_curves(curves().iloc[:0], ARMS)).texts == []
    assert Drawing(charts.schedules(rates().iloc[:0], ARMS)).marks("line mark") == []


def test_estimates_are_drawn_with_the_rates_that_were_used() -> None:
    measures = {"test_accuracy": "hessian_free_lr_smoothed", "train_loss": "lr"}
    frame = curves().assign(measure=lambda t: t["measure"].map(measures))
    drawing = Drawing(charts.hessian_free(frame, ARMS))
    assert {"Hessian-free estimate", "rate used", "learning rate (log scale)"} <= set(drawing.texts)
    assert len(drawing.marks("line mark")) == 4
