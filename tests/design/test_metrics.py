"""Metrics: their directions, the columns that hold them, and how their numbers are written."""

from __future__ import annotations

import math
from typing import Any

import pytest

from superconv_ray.design.metrics import ACCURACY, METRICS, metric_of, trial_line
from superconv_ray.design.study import Arm
from superconv_ray.design.sweep import grid
from superconv_ray.design.trial import Trial
from tests.design.made import base, error

NAN = math.nan


def error_in_mm(outputs: Any, targets: Any) -> float:
    return float(abs(outputs - targets).mean())


SETTINGS = {
    "dataset": "digits",
    "data_count": 72,
    "model": "small_cnn",
    "policy": "one_cycle",
    "max_lr": 0.5,
    "seed": 3,
}
NAME = "digits n=72 small_cnn one_cycle max_lr=0.5 seed=3"


def test_a_trial_with_held_out_labels_is_described_by_its_validation_accuracy() -> None:
    row = {**SETTINGS, "status": "completed", "validation_accuracy": 0.5}
    assert trial_line(row) == f"{NAME}: validation accuracy 50.0 %"


def test_a_trial_that_diverged_says_so() -> None:
    row = {**SETTINGS, "status": "diverged", "test_accuracy": 0.1, "train_seconds": 2.5}
    assert trial_line(row) == f"{NAME}: diverged, test accuracy 10.0 %, 2.5 s"


def test_a_trial_without_measurements_is_described_by_its_status() -> None:
    assert trial_line({**SETTINGS, "status": "failed"}) == f"{NAME}: failed"


def test_a_trial_with_another_metric_is_described_by_it() -> None:
    own = {"metric": "error_in_mm", "metric_goal": "minimize", "metric_unit": "mm"}
    row = {**SETTINGS, **own, "status": "diverged", "test_metric": 54.123}
    assert trial_line(row) == f"{NAME}: diverged, test error in mm 54.1 mm"


@pytest.mark.parametrize(
    "settings", [{}, {"metric": None}, {"metric": NAN}, {"metric": "accuracy"}]
)
def test_without_another_metric_it_is_accuracy(settings: dict[str, Any]) -> None:
    assert metric_of(settings) == ACCURACY
    assert (ACCURACY.suffix, ACCURACY.factor, ACCURACY.difference_unit) == (
        "accuracy",
        100,
        "points",
    )


@pytest.mark.parametrize(
    ("settings", "sign", "heading", "gap"),
    [
        ({"metric": "f1"}, 1, "macro F1 (%)", "a minus b"),
        ({"metric": "r2"}, 1, "R²", "a minus b"),
        ({"metric": "rmse", "metric_unit": "mm"}, -1, "RMSE (mm)", "b minus a"),
        ({"metric": "my_hits", "metric_goal": "maximize"}, 1, "my hits", "a minus b"),
        ({"metric": "my_loss", "metric_goal": "minimize"}, -1, "my loss", "b minus a"),
    ],
)
def test_direction_and_unit_follow_from_the_settings(
    settings: dict[str, Any], sign: int, heading: str, gap: str
) -> None:
    metric = metric_of(settings)
    assert (metric.suffix, metric.sign, metric.heading) == ("metric", sign, heading)
    assert metric.gap("a", "b") == gap


@pytest.mark.parametrize(
    ("name", "ends", "sign", "text"),
    [
        ("f1", (0.5, 0.25, 0.75), "", "50.0 [25.0, 75.0]"),
        ("r2", (0.4567, 0.4, 0.5), "", "0.457 [0.400, 0.500]"),
        ("r2", (0.0123, -0.004, 0.0286), "+", "+0.0123 [-0.0040, +0.0286]"),
        ("rmse", (54.0, 50.0, 58.0), "", "54.0 [50.0, 58.0]"),
        ("rmse", (12345.6, 12000.0, 13000.0), "", "12346 [12000, 13000]"),
        ("rmse", (54.0, NAN, NAN), "", "54.0 [one seed]"),
        ("rmse", (NAN, NAN, NAN), "", "-"),
    ],
)
def test_an_interval_has_three_digits_and_no_exponent(
    name: str, ends: tuple[float, float, float], sign: str, text: str
) -> None:
    row = dict(zip(("mean", "low", "high"), ends, strict=True))
    assert METRICS[name].interval(row, sign) == text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"metric": error_in_mm},
            (
                "metric_goal must be 'maximize' or 'minimize' for your own metric "
                "'error_in_mm', got None"
            ),
        ),
        (
            {"metric": "rmse", "metric_goal": "minimize"},
            (
                "metric_goal is for your own metrics; got 'minimize' for metric 'rmse', whose "
                "better direction is known"
            ),
        ),
        (
            {"metric_unit": "mm"},
            "metric_unit must be None for metric 'accuracy', which is shown in percent; got 'mm'",
        ),
    ],
)
def test_a_goal_is_for_own_metrics_and_a_unit_for_those_without_percent(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=r"^metric_") as caught:
        Trial(**settings)
    assert str(caught.value) == message


def test_a_unit_is_no_part_of_the_id() -> None:
    ids = {
        Trial(metric="rmse", metric_unit=unit, data_count=9, max_lr=0.1, steps=9).complete().id
        for unit in (None, "mm", "cm")
    }
    assert len(ids) == 1


@pytest.mark.parametrize("field", ["metric", "metric_goal", "metric_unit"])
def test_all_arms_and_points_have_one_metric(field: str) -> None:
    value = {"metric": "f1", "metric_goal": "minimize", "metric_unit": "mm"}[field]
    for changes in ({"arms": {"a": Arm(**{field: value})}}, {"sweep": grid(**{field: (value,)})}):
        message = error(base=base(), **changes)
        assert f"'{field}' must be the same for all arms and points; set it in base" in message
