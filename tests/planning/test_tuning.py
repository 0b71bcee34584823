from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superconv_ray.design.choices import Tuning, tuned
from superconv_ray.planning.tuning import SearchSpace

RATES = SearchSpace({"max_lr": tuned(0.01, 10.0)})
LABELS = 60


def chosen(accuracy: dict[float, float], held_out: int = LABELS) -> float:
    """The max_lr that is chosen, given the accuracy of each that was tried."""
    tried = [{"max_lr": rate} for rate in accuracy]
    rate: float = RATES.best(tried, list(accuracy.values()), held_out)["max_lr"]
    return rate


@given(st.integers(1, 40), st.integers(0, 99), st.none() | st.integers(0, 99))
def test_what_is_tried_depends_on_seeds_only_and_fills_the_range(
    trials: int, own: int, seed: int | None
) -> None:
    tuning = Tuning(trials=trials, seed=own)
    one, other = (RATES.proposals(tuning, seed) for _ in range(2))
    assert one == other
    places = sorted(math.log10(settings["max_lr"] / 0.01) / 3 for settings in one)
    assert len(places) == trials
    ends = [places[-1] - 1, *places, places[0] + 1]
    # The gaps of the golden ratio's sequence have at most three lengths, none above 1 / (n / 1.9).
    assert max(b - a for a, b in pairwise(ends)) < 1.9 / trials + 0.002


def test_each_seed_tries_other_settings() -> None:
    tried = [tuple(p["max_lr"] for p in RATES.proposals(Tuning(), seed)) for seed in (None, 0, 1)]
    assert len(set(tried)) == 3


def test_integers_are_tuned_as_integers_and_numbers_to_three_digits() -> None:
    space = SearchSpace({"cycles": tuned(1, 9), "dropout": tuned(0.0, 0.5, log=False)})
    tried = space.proposals(Tuning(trials=8), 0)
    for settings in [*tried, space.best(tried, [0.5] * 8, LABELS)]:
        assert settings["cycles"] in range(1, 10)
        assert type(settings["cycles"]) is int
        assert settings["dropout"] == float(f"{settings['dropout']:.3g}")


def test_the_luckiest_score_is_not_chosen() -> None:
    # A hill around 0.3, and far from it one score that a few labels made the best.
    rates = np.geomspace(0.01, 10, 16)
    accuracy = {float(r): 0.8 - 0.1 * math.log10(r / 0.3) ** 2 for r in rates}
    accuracy[float(rates[-3])] = max(accuracy.values()) + 0.02
    assert 0.15 < chosen(accuracy) < 0.6


def test_the_middle_of_a_flat_top_is_chosen() -> None:
    accuracy = {float(r): 0.9 if 0.05 <= r <= 2 else 0.7 for r in np.geomspace(0.01, 10, 16)}
    middle = math.sqrt(0.063 * 1.58)  # of the first and the last rate of the top
    for held_out in (60, 10_000):
        assert middle / 1.5 < chosen(accuracy, held_out) < middle * 1.5


@pytest.mark.parametrize("held_out", [60, 1_000, 10_000])
def test_the_edge_of_a_cliff_is_not_chosen(held_out: int) -> None:
    rates = [float(rate) for rate in np.geomspace(0.01, 10, 16)]
    accuracy = {r: 0.8 - 0.05 * math.log10(r / 0.1) ** 2 if r < 1 else math.nan for r in rates}
    assert rates[2] < chosen(accuracy, held_out) < rates[8]  # trainings diverge from the 11th on


def test_what_diverged_is_not_chosen_nor_anything_beyond_what_trained() -> None:
    accuracy = {float(r): 0.5 + 0.1 * math.log10(r) for r in np.geomspace(0.01, 10, 10)}
    rates = list(accuracy)
    accuracy |= dict.fromkeys(rates[6:], math.nan)
    assert rates[3] <= chosen(accuracy) <= rates[5]
    assert chosen(dict.fromkeys(rates, math.nan)) == rates[0]
    assert chosen({**dict.fromkeys(rates, math.nan), rates[4]: 0.2}) == pytest.approx(
        rates[4], 0.01
    )


def test_negative_errors_of_any_size_are_scores_too() -> None:
    for unit in (1e-3, 1.0, 1e6):
        errors = {
            float(r): unit * (1 + math.log10(r / 0.3) ** 2) for r in np.geomspace(0.01, 10, 12)
        }
        rates = list(errors)
        scores = {rate: -error for rate, error in errors.items()} | {rates[-1]: math.nan}
        scores[rates[-2]] = -1e9 * unit
        assert 0.15 < chosen(scores) < 0.6


def test_settings_are_tuned_together() -> None:
    space = SearchSpace({"max_lr": tuned(0.01, 10.0), "momentum": tuned(0.5, 0.9, log=False)})
    tried = space.proposals(Tuning(trials=24), 0)

    def accuracy(settings: dict[str, Any]) -> float:
        """Best along a ridge: the larger the momentum, the smaller the rate; 0.7 and 0.3 on top."""
        rate, momentum = math.log10(settings["max_lr"] / 0.3), (settings["momentum"] - 0.7) / 0.4
        return float(0.9 - 0.1 * (rate + momentum) ** 2 - 0.2 * momentum**2)

    best = space.best(tried, [accuracy(settings) for settings in tried], 10_000)
    assert best == space.best(tried, [accuracy(settings) for settings in tried], 10_000)
    assert accuracy(best) > 0.885
