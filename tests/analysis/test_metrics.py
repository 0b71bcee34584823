"""Analyses of metrics of which less is better, or which are no shares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from superconv_ray.analysis import (
    arm_summary,
    compare,
    gap_trend,
    learning_curves,
    optimum,
    scaling_fits,
    searched,
    speedup,
    time_to_accuracy,
)
from superconv_ray.analysis.comparison.verdicts import ARM_BETTER, default_margin
from superconv_ray.analysis.frames import metric_in
from superconv_ray.analysis.range_tests.scores import range_test_scores, with_scores
from superconv_ray.analysis.statistics.intervals import accuracy_ends
from superconv_ray.design.metrics import METRICS
from tests.analysis.made import frame, run

RMSE: dict[str, Any] = {"metric": "rmse", "metric_goal": None, "metric_unit": "mm"}
VALUE = "test_metric"


def measured(arm: str, value: float, seed: int = 0, **other: Any) -> dict[str, Any]:
    settings = {**RMSE, VALUE: value, **other}
    return {**run(arm, seed, np.nan), **settings, "trial_id": f"{arm}{seed}{sorted(other.items())}"}


def pair(gaps: tuple[float, ...] = (2.0, 2.5, 3.0), **other: Any) -> pd.DataFrame:
    """An arm with an RMSE of 50 and a baseline whose RMSE is larger by these gaps."""
    rows = [measured("a", 50.0, seed, **other) for seed in range(len(gaps))]
    return frame(
        [*rows, *(measured("b", 50.0 + gap, seed, **other) for seed, gap in enumerate(gaps))]
    )


def test_a_gap_is_above_zero_where_the_arm_has_the_lower_error() -> None:
    (row,) = compare(pair(), "a", "b", value=VALUE).to_dict("records")
    assert row["mean"] == pytest.approx(2.5)
    assert row["low"] == pytest.approx(2.5 - 4.3027 * 0.5 / np.sqrt(3), abs=1e-3)
    assert row["verdict"] == ARM_BETTER
    (row,) = compare(pair(), "b", "a", value=VALUE).to_dict("records")
    assert row["mean"] == pytest.approx(-2.5)


def test_the_smallest_gain_that_counts_is_a_share_of_a_metric_with_a_unit() -> None:
    trials = pair((0.0, 0.0))
    assert default_margin(trials, VALUE) == pytest.approx(0.005 * 50)
    assert default_margin(trials.assign(metric="r2"), VALUE) == 0.005
    assert default_margin(trials.assign(metric="f1"), VALUE) == 0.005
    assert default_margin(trials.assign(test_accuracy=0.5), "test_accuracy") == 0.005


def test_an_error_has_no_interval_below_zero_and_an_f1_none_outside_percentages() -> None:
    trials = frame(measured("a", value, seed) for seed, value in enumerate((0.1, 0.9)))
    (row,) = arm_summary(trials, value=VALUE).to_dict("records")
    assert (row["mean"], row["low"]) == (0.5, 0)
    assert row["high"] > 1
    (row,) = arm_summary(trials.assign(metric="f1"), value=VALUE).to_dict("records")
    sd = np.std([0.1, 0.9], ddof=1)
    assert [row["low"], row["high"]] == pytest.approx([*map(float, accuracy_ends(0.5, sd, 2))])


def test_a_trend_grows_where_errors_fall_more() -> None:
    few, many = pair((4.0, 4.5, 5.0), data_count=10), pair((1.0, 1.5, 2.0), data_count=100)
    (row,) = gap_trend(pd.concat([few, many]), "a", "b", value=VALUE).to_dict("records")
    assert row["mean"] == pytest.approx(3)


def test_a_baseline_reaches_an_error_from_above() -> None:
    rows = [measured("a", 50.0, steps=100)]
    rows += [measured("b", error, steps=steps) for steps, error in ((100, 60.0), (400, 40.0))]
    (row,) = speedup(frame(rows), "a", "b", value=VALUE).to_dict("records")
    assert row["mean"] == 50
    assert row["factor"] == pytest.approx(2)  # halfway on a logarithmic axis


def test_the_time_to_a_long_baselines_error_is_where_an_arm_falls_to_it() -> None:
    rows = [measured("b", 50.0, steps=1600)]
    rows += [measured("a", error, steps=steps) for steps, error in ((100, 60.0), (400, 40.0))]
    (row,) = time_to_accuracy(frame(rows), "a", "b", value=VALUE).to_dict("records")
    assert (row["target"], row["steps"]) == (50, pytest.approx(200))


def test_the_optimum_of_an_error_is_its_smallest() -> None:
    rows = [measured("a", error, max_lr=lr) for lr, error in ((0.1, 60.0), (1.0, 50.0))]
    (row,) = optimum(frame(rows), "max_lr", value=VALUE).to_dict("records")
    assert (row["best"], row[VALUE]) == (1.0, 50.0)


def test_a_power_law_of_errors_needs_a_share() -> None:
    trials = pd.concat([pair(data_count=n) for n in (10, 100, 1000)])
    with pytest.raises(ValueError, match=r"^test_metric must be a share, .* and RMSE has no such"):
        scaling_fits(trials, value=VALUE)


def test_trials_of_several_metrics_are_not_mixed() -> None:
    trials = pd.concat([pair(), pair().assign(metric="r2")])
    with pytest.raises(ValueError, match=r"^test_metric must be of one metric, got rmse, r2$"):
        metric_in(trials, VALUE)


def test_the_score_of_a_tuning_trial_is_its_metric() -> None:
    row = {**measured("a", np.nan), "cell": 0, "chosen": ["max_lr"], "max_lr": 0.1}
    row["steps_done"] = 100
    row["chosen_from"] = ["t"]
    tried = {**row, "role": "tuning", "validation_metric": 48.0, "validation_accuracy": np.nan}
    found = searched(frame([row, {**tried, "status": "diverged", "trial_id": "t"}]), [])
    assert [*found["score"]] == [48.0]


def test_learning_curves_have_the_metric_and_keep_the_last_one_of_a_diverged_run() -> None:
    trials = frame([measured("a", 1.0), measured("a", 1.0, 1, status="diverged")])
    trials["steps_done"] = [2, 1]
    steps = [(0, 1, 3.0), (0, 2, 1.0), (1, 1, 5.0)]
    curves = frame(
        {"trial_id": trials["trial_id"][i], "step": step, VALUE: value} for i, step, value in steps
    )
    found = learning_curves(trials, curves)
    assert [*zip(found["measure"], found["step"], found["mean"], strict=True)] == [
        (VALUE, 1, 4.0),
        (VALUE, 2, 3.0),
    ]


@pytest.mark.parametrize(
    ("metric", "values", "scores"),
    [
        ("rmse", [80.0, 60.0, 40.0, 90.0], [0, 0.5, 1, 0]),
        ("r2", [-0.5, 0.0, 0.5, -3.0], [0, 0.5, 1, 0]),
        ("rmse", [80.0, 90.0], [0, 0]),
        ("f1", [0.1, 0.8, 0.3], [0.1, 0.8, 0.3]),
    ],
)
def test_a_range_test_is_read_from_the_share_of_the_best_gain(
    metric: str, values: list[float], scores: list[float]
) -> None:
    assert [*range_test_scores(values, METRICS[metric])] == scores


def test_scores_take_the_place_of_accuracies_where_these_are_not_the_metric() -> None:
    rows = [("t", 1, "rmse", 80.0), ("t", 2, "rmse", 40.0), ("u", 1, "accuracy", np.nan)]
    tests = frame(
        {
            "trial_id": trial,
            "step": step,
            "metric": metric,
            "validation_accuracy_reestimated": np.nan if metric == "rmse" else 0.7,
            "validation_metric_reestimated": value,
        }
        for trial, step, metric, value in rows
    )
    assert [*with_scores(tests)["validation_accuracy_reestimated"]] == [0, 1, 0.7]
