from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superconv_ray.design.choices import Tuning, tuned
from superconv_ray.planning.tuning import Score, Searcher


def rounds(searcher: Searcher, scores: list[float]) -> list[list[dict[str, Any]]]:
    """Proposals of every round, scored in turn."""
    left, found = list(scores), []
    while proposals := searcher.propose():
        found.append(proposals)
        searcher.tell([Score(left.pop(0), 0.0) for _ in proposals])
    return found


@given(st.lists(st.floats(0, 1), min_size=7, max_size=7), st.integers(0, 99))
def test_a_search_is_a_function_of_its_seed_and_scores(scores: list[float], seed: int) -> None:
    space, tuning = {"max_lr": tuned(0.01, 10.0)}, Tuning(trials=7, parallel=3, seed=seed)
    one, other = (rounds(Searcher(space, tuning), scores) for _ in range(2))
    assert one == other
    assert [len(proposals) for proposals in one] == [3, 3, 1]
    assert all(0.01 <= p["max_lr"] <= 10.0 for proposals in one for p in proposals)


def test_integers_are_tuned_as_integers_and_numbers_to_three_digits() -> None:
    space = {"cycles": tuned(1, 9), "dropout": tuned(0.0, 0.5, log=False)}
    for proposals in rounds(Searcher(space, Tuning(trials=8)), [0.5] * 8):
        for settings in proposals:
            assert settings["cycles"] in range(1, 10)
            assert type(settings["cycles"]) is int
            assert settings["dropout"] == float(f"{settings['dropout']:.3g}")


def test_the_best_settings_are_those_with_the_highest_score_and_then_the_lowest_loss() -> None:
    searcher = Searcher({"max_lr": tuned(0.01, 10.0)}, Tuning(trials=3, parallel=3))
    _, second, _ = searcher.propose()
    searcher.tell([Score(0.5, -2.0), Score(0.5, -1.0), Score(0.4, 0.0)])
    assert searcher.best() == second
    assert searcher.propose() == []


def test_the_next_round_needs_the_scores_of_the_previous_one() -> None:
    searcher = Searcher({"max_lr": tuned(0.01, 10.0)}, Tuning(trials=3, parallel=2))
    searcher.propose()
    with pytest.raises(RuntimeError, match="report the scores of a round before asking"):
        searcher.propose()
