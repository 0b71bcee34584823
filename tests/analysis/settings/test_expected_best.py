from __future__ import annotations

from typing import Any

import pytest

from superconv_ray.analysis.settings.expected_best import expected_best
from tests.analysis.made import frame
from tests.analysis.settings.test_search import trained, tried


def search(*scores: float, seed: int = 0, cell: int = 0, steps: int = 30) -> list[dict[str, Any]]:
    """A search that tried as many rates, and the training of 100 steps that followed."""
    tuning = [
        tried(0.1 * (1 + i), score, cell, seed=seed, steps_done=steps)
        for i, score in enumerate(scores)
    ]
    return [*tuning, {**trained(0.1, *tuning, seed=seed), "steps_done": 100}]


def test_the_best_of_k_is_averaged_over_all_ways_to_try_k() -> None:
    table = expected_best(frame(search(0.5, 0.9, 0.6)))
    assert table["k"].tolist() == [1, 2, 3]
    # Of the pairs, two contain 0.9 and one has 0.6 as its best.
    assert table["mean"].tolist() == pytest.approx([2 / 3, (0.9 + 0.9 + 0.6) / 3, 0.9])


def test_steps_count_the_search_and_one_training() -> None:
    assert expected_best(frame(search(0.5, 0.9)))["total_steps"].tolist() == [130, 160]


def test_searches_of_seeds_give_the_interval() -> None:
    table = expected_best(frame([*search(0.5, 0.7, seed=0), *search(0.6, 0.8, seed=1)]))
    assert table["n"].tolist() == [2, 2]
    assert table["mean"].tolist() == pytest.approx([0.65, 0.75])
    assert (table["low"] < table["mean"]).all()
    assert expected_best(frame(search(0.5)))["low"].isna().all()


def test_a_search_over_several_settings_counts_once() -> None:
    tuning = [tried(0.1, s, dropout=d, steps_done=30) for s, d in ((0.5, 0.0), (0.7, 0.2))]
    training = trained(0.1, *tuning, chosen=("max_lr", "dropout"))
    table = expected_best(frame([*tuning, {**training, "dropout": 0.2, "steps_done": 100}]))
    assert table["mean"].tolist() == pytest.approx([0.6, 0.7])


def test_of_a_metric_of_which_less_is_better_the_best_is_the_least() -> None:
    trials = frame(search(0.5, 0.9)).assign(metric="rmse", metric_goal=None, metric_unit=None)
    trials["validation_metric"] = trials["validation_accuracy"]
    assert expected_best(trials)["mean"].tolist() == pytest.approx([0.7, 0.5])


def test_without_a_search_there_is_no_row() -> None:
    assert expected_best(frame([{**trained(0.1), "steps_done": 100}])).empty


def test_a_study_without_an_axis_has_a_row_per_arm_and_k() -> None:
    table = expected_best(frame(search(0.5, 0.9)), by=[])
    assert list(table.columns[:3]) == ["arm", "k", "total_steps"]
    assert table["total_steps"].tolist() == [130, 160]
