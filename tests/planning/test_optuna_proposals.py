from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from superconv_ray.design.choices import Sampler, Tuning, tuned
from superconv_ray.planning.optuna_proposals import propose_with_optuna
from superconv_ray.planning.tuning import SearchSpace

SPACE = SearchSpace(
    {
        "max_lr": tuned(0.01, 10.0),
        "momentum": tuned(0.5, 0.9, log=False),
        "cycles": tuned(1, 9, log=False),
    }
)
samplers = pytest.mark.parametrize("sampler", ["tpe", "gp"])
Score = Callable[[Mapping[str, Any]], float]


def hill(settings: Mapping[str, Any], top: float = 0.1) -> float:
    rate, momentum = math.log10(settings["max_lr"] / top), settings["momentum"] - 0.8
    return 0.9 - 0.1 * abs(rate) - float(abs(momentum))


def searched(tuning: Tuning, score: Score = hill, seed: int | None = 0) -> list[dict[str, Any]]:
    """All that is tried, round by round."""
    tried: list[dict[str, Any]] = []
    while len(tried) < tuning.trials:
        tried += propose_with_optuna(SPACE, tuning, seed, tried, list(map(score, tried)))
    return tried


@samplers
def test_what_is_tried_is_a_function_of_seeds_and_scores(sampler: Sampler) -> None:
    tuning = Tuning(trials=6, sampler=sampler, parallel=2)
    tried = searched(tuning)
    assert searched(tuning) == tried
    # In any round nothing but what was tried and scored decides, as after a run was killed.
    again = propose_with_optuna(SPACE, tuning, 0, tried[:4], list(map(hill, tried[:4])))
    assert again == tried[4:]
    # Before scores are known, all arms try the same; each seed and each search its own.
    other = searched(tuning, lambda settings: hill(settings, top=5.0))
    assert other[:2] == tried[:2]
    assert other[4:] != tried[4:]
    starts = [searched(Tuning(trials=4, sampler=sampler), seed=seed) for seed in (None, 0, 1)]
    starts.append(searched(Tuning(trials=4, sampler=sampler, seed=1)))
    assert len({str(start) for start in starts}) == 4


@samplers
def test_rounds_propose_what_is_left(sampler: Sampler) -> None:
    tuning = Tuning(trials=7, parallel=3, sampler=sampler)
    tried: list[dict[str, Any]] = []
    for count in (3, 3, 1):
        proposed = propose_with_optuna(SPACE, tuning, 0, tried, list(map(hill, tried)))
        assert len(proposed) == count
        tried += proposed
    assert len({str(settings) for settings in tried}) == 7


@samplers
def test_settings_stay_in_their_ranges_with_integers_and_three_digits(sampler: Sampler) -> None:
    # The best is at the ends of all ranges, where rounding could leave them.
    tuning = Tuning(trials=8, sampler=sampler)
    tried = searched(tuning, lambda s: (s["max_lr"] + s["momentum"] + s["cycles"]) / 20)
    for settings in tried:
        assert list(settings) == sorted(SPACE.ranges)
        assert type(settings["cycles"]) is int
        for name, range_ in SPACE.ranges.items():
            assert range_.low <= settings[name] <= range_.high
            assert settings[name] == float(f"{settings[name]:.3g}")


@samplers
def test_later_rounds_follow_the_scores(sampler: Sampler) -> None:
    tuning = Tuning(trials=20, sampler=sampler)
    space = SearchSpace({"max_lr": tuned(0.01, 10.0)})
    late = []
    for top in (0.02, 5.0):
        tried: list[dict[str, Any]] = []
        while len(tried) < tuning.trials:
            scores = [-abs(math.log10(settings["max_lr"] / top)) for settings in tried]
            tried += propose_with_optuna(space, tuning, 0, tried, scores)
        late.append(sum(math.log10(settings["max_lr"]) for settings in tried[12:]) / 8)
    assert late[0] < late[1] - 0.5


@samplers
def test_what_diverged_counts_as_the_worst(sampler: Sampler) -> None:
    tuning = Tuning(trials=8, sampler=sampler)
    tried = searched(Tuning(trials=4, sampler=sampler))
    for scores in ([0.7, math.nan, 0.6, 0.9], [-20.0, math.nan, -35.0, -1.0]):
        as_worst = [min(scores[0], scores[2]) if math.isnan(score) else score for score in scores]
        proposed = [propose_with_optuna(SPACE, tuning, 0, tried, s) for s in (scores, as_worst)]
        assert proposed[0] == proposed[1]
    assert len(propose_with_optuna(SPACE, tuning, 0, tried, [math.nan] * 4)) == 4
