"""Verdicts on the settings of 1cycle, on regularization and on batch sizes, from made trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from superconv_ray.analysis.scorecard.judgement import (
    CANNOT_TELL,
    DOES_NOT_HOLD,
    HOLDS,
    Verdict,
)
from superconv_ray.analysis.scorecard.judges import JUDGES
from superconv_ray.analysis.scorecard.judges.batches import held_equal
from tests.analysis.made import frame, run


def verdict_on(claim: str, trials: pd.DataFrame) -> Verdict:
    return JUDGES[claim](trials, pd.DataFrame()).verdict


def swept(
    accuracies: Mapping[Any, float], settings: Callable[[Any], dict[str, Any]], arm: str = ""
) -> pd.DataFrame:
    """Five seeds at each point, with a deviation of 0.3 points: gaps are known to half a point."""
    random, rows = np.random.default_rng(0), []
    for at, accuracy in accuracies.items():
        for seed, deviation in enumerate(random.normal(scale=0.003, size=5)):
            own = run(arm or str(at), seed, accuracy + deviation, **settings(at))
            rows.append({**own, "trial_id": f"{at}-{seed}"})
    return frame(rows)


@pytest.mark.parametrize(
    ("accuracies", "verdict"),
    [
        ({0.1: 0.7, 1.0: 0.88, 2.0: 0.91, 4.0: 0.91}, DOES_NOT_HOLD),  # 2 to 4
        ({0.1: 0.7, 1.0: 0.92, 2.0: 0.90, 4.0: 0.92}, DOES_NOT_HOLD),  # a dip splits the range
        ({0.1: 0.7, 1.0: 0.905, 2.0: 0.91, 4.0: 0.905}, CANNOT_TELL),
    ],
)
def test_max_lr_is_flat_where_the_loss_is_under_half_a_point(
    accuracies: Mapping[float, float], verdict: Verdict
) -> None:
    trials = swept(accuracies, lambda at: {"max_lr": at}, "one_cycle")
    assert verdict_on("max_lr", trials) == verdict


def test_a_flat_range_of_max_lr_holds() -> None:
    rows = [
        run("one_cycle", seed, 0.9 + 0.001 * seed * (1 + rate / 10), max_lr=rate)
        for seed in range(3)
        for rate in (0.3, 0.5, 1.0)
    ]
    found = JUDGES["max_lr"](
        frame({**row, "trial_id": f"{row['max_lr']}-{row['seed']}"} for row in rows),
        pd.DataFrame(),
    )
    assert found.verdict == HOLDS
    assert "over a factor of 3.33 for certain, 3.33 possibly" in found.ours


@pytest.mark.parametrize(
    ("at_a_third", "verdict"), [(0.9, CANNOT_TELL), (0.88, DOES_NOT_HOLD), (0.93, DOES_NOT_HOLD)]
)
def test_no_minimum_rate_may_be_worse_than_the_best(at_a_third: float, verdict: Verdict) -> None:
    accuracies = {3.0: at_a_third, 10.0: 0.902, 20.0: 0.9}
    trials = swept(accuracies, lambda at: {"div_factor": at}, "one_cycle")
    assert verdict_on("min_lr", trials) == verdict


@pytest.mark.parametrize(
    ("gain", "verdict"), [(0.02, HOLDS), (-0.02, DOES_NOT_HOLD), (0.002, CANNOT_TELL)]
)
@pytest.mark.parametrize(
    ("claim", "arm", "other"),
    [("tail", "tail", "no_tail"), ("cyclical_momentum", "cyclical", "constant_0.9")],
)
def test_an_addition_to_the_cycle_must_gain(
    claim: str, arm: str, other: str, gain: float, verdict: Verdict
) -> None:
    trials = swept({arm: 0.9 + gain, other: 0.9}, lambda _: {})
    assert verdict_on(claim, trials) == verdict


@pytest.mark.parametrize(
    ("other", "verdict"), [(0.88, HOLDS), (0.92, DOES_NOT_HOLD), (0.9, CANNOT_TELL)]
)
def test_the_best_momentum_is_above_every_other(other: float, verdict: Verdict) -> None:
    accuracies = {"constant_0.8": 0.8, "constant_0.9": 0.9, "constant_0.95": other}
    assert verdict_on("momentum_value", swept(accuracies, lambda _: {})) == verdict


@pytest.mark.parametrize(
    ("best_at_large", "verdict"), [(1e-4, HOLDS), (1e-3, CANNOT_TELL), (1e-2, DOES_NOT_HOLD)]
)
def test_the_best_weight_decay_must_fall(best_at_large: float, verdict: Verdict) -> None:
    decays, best = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1), {0.1: 1e-3, 1.0: best_at_large}
    accuracies = {
        (max_lr, decay): 0.9 + 0.05 * (decay == best[max_lr]) for max_lr in best for decay in decays
    }
    trials = swept(accuracies, lambda at: {"max_lr": at[0], "weight_decay": at[1]}, arm="one_cycle")
    assert verdict_on("weight_decay", trials) == verdict


@pytest.mark.parametrize(
    ("gain_at_large", "verdict"), [(-0.03, HOLDS), (0.05, DOES_NOT_HOLD), (0.02, CANNOT_TELL)]
)
def test_dropout_must_help_less_at_a_large_rate(gain_at_large: float, verdict: Verdict) -> None:
    accuracies = {
        (0.1, 0.0): 0.9,
        (0.1, 0.2): 0.92,
        (3.0, 0.0): 0.9,
        (3.0, 0.2): 0.9 + gain_at_large,
    }
    trials = swept(accuracies, lambda at: {"max_lr": at[0], "dropout": at[1]}, arm="one_cycle")
    assert verdict_on("dropout", trials) == verdict


LENGTHS = {
    # iterations; 6 epochs of 500 labels, rounded up to whole batches; time
    8: (80, 375, 150),
    32: (80, 94, 115),
    128: (80, 24, 55),
}


def test_what_is_held_equal_follows_from_the_lengths() -> None:
    pairs = [(size, steps) for size, lengths in LENGTHS.items() for steps in lengths]
    assert held_equal(pairs, 500) == {
        "iterations": ((8, 80), (32, 80), (128, 80)),
        "epochs": ((8, 375), (32, 94), (128, 24)),
        "time": ((8, 150), (32, 115), (128, 55)),
    }


@pytest.mark.parametrize(
    ("claim", "per_fourfold", "verdict"),
    [
        ("batch_size", 0.02, HOLDS),
        ("batch_size", -0.02, DOES_NOT_HOLD),
        ("batch_size", 0.0, CANNOT_TELL),
        ("generalization_gap", 0.02, DOES_NOT_HOLD),
        ("generalization_gap", -0.02, DOES_NOT_HOLD),
    ],
)
def test_batch_sizes_are_judged_by_slopes(
    claim: str, per_fourfold: float, verdict: Verdict
) -> None:
    sizes = list(LENGTHS)
    accuracies = {
        (size, steps): 0.9 + per_fourfold * place
        for place, size in enumerate(sizes)
        for steps in LENGTHS[size]
    }
    trials = swept(
        accuracies, lambda at: {"batch_size": at[0], "steps": at[1]}, arm="one_cycle"
    ).assign(train_accuracy=1.0, data_count=500)
    assert verdict_on(claim, trials) == verdict


def test_a_constant_generalization_gap_holds() -> None:
    rows = [
        run(
            *("one_cycle", seed, 0.9 + 1e-5 * seed * size),
            batch_size=size,
            steps=steps,
            data_count=500,
        )
        for seed in range(3)
        for size, lengths in LENGTHS.items()
        for steps in lengths
    ]
    trials = frame({**row, "trial_id": str(number)} for number, row in enumerate(rows))
    found = JUDGES["generalization_gap"](trials.assign(train_accuracy=1.0), pd.DataFrame())
    assert found.verdict == HOLDS
    assert found.ours.count("at equal") == 3


@pytest.mark.parametrize(
    ("with_adam", "optimizers", "adamw"),
    [(-0.02, HOLDS, DOES_NOT_HOLD), (0.02, DOES_NOT_HOLD, HOLDS)],
)
def test_1cycle_must_gain_with_all_named_optimizers_but_adam(
    with_adam: float, optimizers: Verdict, adamw: Verdict
) -> None:
    gains = {
        "nesterov": 0.02,
        "adadelta": 0.02,
        "adagrad": 0.02,
        "adam": with_adam,
        "adamw": with_adam,
    }
    trials = pd.concat(
        [
            swept({"one_cycle": 0.8 + gain, "step": 0.8}, lambda _: {}).assign(optimizer=name)
            for name, gain in gains.items()
        ]
    )
    trials["trial_id"] += trials["optimizer"]
    assert verdict_on("optimizers", trials) == optimizers
    assert verdict_on("adamw", trials) == adamw
