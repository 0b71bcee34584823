from __future__ import annotations

from typing import Any

import pytest

from superconv_ray.analysis.settings.search import searched
from tests.analysis.made import frame, rows, run


def tried(lr: float, score: float, cell: int = 0, **other: Any) -> dict[str, Any]:
    row = run("a", other.pop("seed", 7), float("nan"), role="tuning", cell=cell, max_lr=lr)
    row["steps_done"] = 100
    trial_id = "-".join(map(str, (lr, cell, row["seed"], *other.values())))
    chosen = {"validation_accuracy": score, "chosen": [], "chosen_from": []}
    return {**row, "trial_id": trial_id, **chosen, **other}


def trained(
    lr: float, *tuning: dict[str, Any], chosen: tuple[str, ...] = ("max_lr",), seed: int = 0
) -> dict[str, Any]:
    """A training whose settings were chosen from these tuning trials."""
    ids, cell = [trial["trial_id"] for trial in tuning], tuning[0]["cell"] if tuning else 0
    row = run("a", seed, 0.9, cell=cell, max_lr=lr, chosen=list(chosen), chosen_from=ids)
    return {**row, "validation_accuracy": None, "steps_done": 100}


def test_every_trial_is_a_row_and_what_the_trainings_have_is_chosen() -> None:
    tuning = [tried(0.1, 0.6), tried(0.3, 0.8)]
    table = searched(frame([*tuning, trained(0.25, *tuning), trained(0.25, *tuning, seed=1)]))
    assert [(r.setting, r.tried, r.score, r.chosen, r.seed) for r in rows(table)] == [
        ("max_lr", 0.1, 0.6, 0.25, 0),
        ("max_lr", 0.3, 0.8, 0.25, 0),
    ]
    assert set(table["data_count"]) == {100}


def test_every_seed_may_have_a_search_of_its_own() -> None:
    of_seed = {seed: [tried(0.1, 0.6, seed=seed), tried(0.3, 0.8, seed=seed)] for seed in (5, 6)}
    trainings = [trained(0.1, *of_seed[5], seed=5), trained(0.3, *of_seed[6], seed=6)]
    table = searched(frame([*of_seed[5], *of_seed[6], *trainings]))
    assert [(r.seed, r.tried, r.chosen) for r in rows(table)] == [
        *((5, 0.1, 0.1), (5, 0.3, 0.1)),
        *((6, 0.1, 0.3), (6, 0.3, 0.3)),
    ]


def test_replicates_of_a_combination_are_averaged_and_a_diverged_one_scores_nothing() -> None:
    tuning = [tried(0.1, 0.6), tried(0.1, 0.5, status="diverged", seed=8)]
    (row,) = rows(searched(frame([*tuning, trained(0.1, *tuning)])))
    assert (row.score, row.trials, row.diverged) == (pytest.approx(0.3), 2, 1)


def test_every_setting_has_its_rows() -> None:
    tuning = [tried(0.1, 0.6, dropout=d) for d in (0.0, 0.2)]
    training = {**trained(0.1, *tuning, chosen=("max_lr", "dropout")), "dropout": 0.2}
    table = searched(frame([*tuning, training]))
    assert [(r.setting, r.tried, r.chosen) for r in rows(table)] == [
        ("max_lr", 0.1, 0.1),
        ("max_lr", 0.1, 0.1),
        ("dropout", 0.0, 0.2),
        ("dropout", 0.2, 0.2),
    ]


def test_a_search_that_has_not_ended_has_chosen_nothing() -> None:
    ended = tried(0.1, 0.7)
    table = searched(frame([tried(0.1, 0.6, cell=1), ended, trained(0.1, ended)]))
    assert table["chosen"].where(table["cell"] == 0).dropna().tolist() == [0.1]
    assert table.loc[table["cell"] == 1, ["seed", "chosen"]].isna().all(axis=None)


@pytest.mark.parametrize("trials", [[trained(0.1)], [tried(0.1, 0.6)]])
def test_without_a_search_and_what_it_chose_there_is_no_row(trials: list[dict[str, Any]]) -> None:
    table = searched(frame(trials))
    assert table.empty
    assert {"arm", "setting", "tried", "score", "chosen"} <= set(table.columns)
