from __future__ import annotations

from typing import Any

import pytest

from superconv_ray.analysis.settings.search import searched
from tests.analysis.made import frame, rows, run


def tried(lr: float, score: float, cell: int = 0, **other: Any) -> dict[str, Any]:
    row = run("a", other.pop("seed", 7), float("nan"), role="tuning", cell=cell, max_lr=lr)
    return {**row, "validation_accuracy": score, "chosen": [], **other}


def trained(lr: float, cell: int = 0, chosen: tuple[str, ...] = ("max_lr",)) -> dict[str, Any]:
    return run("a", 0, 0.9, cell=cell, max_lr=lr, chosen=list(chosen), validation_accuracy=None)


def test_every_trial_is_a_row_and_what_the_trainings_have_is_chosen() -> None:
    table = searched(frame([tried(0.1, 0.6), tried(0.3, 0.8), trained(0.3)]))
    assert [(r.setting, r.tried, r.score, r.chosen) for r in rows(table)] == [
        ("max_lr", 0.1, 0.6, False),
        ("max_lr", 0.3, 0.8, True),
    ]
    assert set(table["data_count"]) == {100}


def test_replicates_of_a_combination_are_averaged_and_a_diverged_one_scores_nothing() -> None:
    lost = tried(0.1, 0.5, status="diverged", seed=8)
    table = searched(frame([tried(0.1, 0.6), lost, trained(0.1)]))
    (row,) = rows(table)
    assert (row.score, row.trials, row.diverged) == (pytest.approx(0.3), 2, 1)


def test_a_combination_of_settings_is_chosen_as_a_whole() -> None:
    both = ("max_lr", "dropout")
    trials = [tried(0.1, 0.6, dropout=d) for d in (0.0, 0.2)]
    table = searched(frame([*trials, {**trained(0.1, chosen=both), "dropout": 0.2}]))
    assert [(r.setting, r.tried, r.chosen) for r in rows(table)] == [
        ("max_lr", 0.1, False),
        ("max_lr", 0.1, True),
        ("dropout", 0.0, False),
        ("dropout", 0.2, True),
    ]


def test_a_search_that_has_not_ended_has_chosen_nothing() -> None:
    table = searched(frame([tried(0.1, 0.6, cell=1), tried(0.1, 0.7), trained(0.1)]))
    assert dict(zip(table["cell"], table["chosen"], strict=True)) == {0: True, 1: False}


@pytest.mark.parametrize("trials", [[trained(0.1)], [tried(0.1, 0.6)]])
def test_without_a_search_and_what_it_chose_there_is_no_row(trials: list[dict[str, Any]]) -> None:
    table = searched(frame(trials))
    assert table.empty
    assert {"arm", "setting", "tried", "score", "chosen"} <= set(table.columns)
