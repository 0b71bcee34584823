from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from superconv_ray.analysis.settings.optimum import optimum, optimum_shift

DECAYS = (1e-6, 1e-5, 1e-4, 1e-3)
RATES = (0.1, 1.0, 10.0)


def trials(
    accuracy: Callable[[float, float, int], float],
    rates: tuple[float, ...] = RATES,
    seeds: int = 4,
    decays: tuple[float, ...] = DECAYS,
) -> pd.DataFrame:
    """One training for every learning rate, weight decay and seed."""
    return pd.DataFrame(
        [
            {
                "trial_id": f"{rate} {decay} {seed}",
                "role": "training",
                "arm": "one_cycle",
                "status": "completed",
                "max_lr": rate,
                "weight_decay": decay,
                "seed": seed,
                "subset_seed": seed,
                "test_accuracy": accuracy(rate, decay, seed),
            }
            for rate in rates
            for decay in decays
            for seed in range(seeds)
        ]
    )


def only(frame: pd.DataFrame) -> Any:
    assert len(frame) == 1
    return frame.iloc[0]


def tent(best: Callable[[float], float]) -> Callable[[float, float, int], float]:
    """Accuracy that falls by 0.1 a decade away from the best weight decay; seeds shift it all."""
    return lambda rate, decay, seed: 0.9 - 0.1 * abs(np.log10(decay / best(rate))) + 0.001 * seed


def test_the_best_value_is_that_of_the_mean_over_seeds() -> None:
    # At 1e-5 the seeds give 0.8 and 0.6, mean 0.7; at 1e-4 both give 0.71.
    def accuracy(_: float, decay: float, seed: int) -> float:
        return {1e-5: (0.8, 0.6)[seed], 1e-4: 0.71}[decay]

    row = only(optimum(trials(accuracy, (1.0,), seeds=2, decays=(1e-5, 1e-4)), "weight_decay"))
    assert (row.best, row.test_accuracy, row.seeds) == (1e-4, pytest.approx(0.71), 2)
    assert (row.low, row.high) == (1e-5, 1e-4)  # the first seed twice has 0.8 at 1e-5
    assert row.censored == ">"


def test_a_clear_optimum_has_no_width_and_one_at_the_end_is_noted() -> None:
    frame = optimum(trials(tent(lambda rate: 1e-4 / rate)), "weight_decay", ["max_lr"])
    assert frame["max_lr"].tolist() == list(RATES)
    assert frame["best"].tolist() == [1e-3, 1e-4, 1e-5]
    assert (frame["low"] == frame["best"]).all()
    assert (frame["high"] == frame["best"]).all()
    assert frame["note"].tolist() == ["at the end of the grid: the optimum may lie beyond", "", ""]
    assert frame["censored"].tolist() == [">", "", ""]


def test_an_interval_that_ends_with_the_grid_is_noted() -> None:
    # At 1e-4 both seeds give 0.71; the first seed alone prefers 1e-6, at which the mean is lower.
    def accuracy(_: float, decay: float, seed: int) -> float:
        return {1e-6: (0.8, 0.6)[seed], 1e-4: 0.71, 1e-2: 0.1}[decay]

    made = trials(accuracy, (1.0,), seeds=2, decays=(1e-6, 1e-4, 1e-2))
    row = only(optimum(made, "weight_decay"))
    assert (row.best, row.low, row.censored) == (1e-4, 1e-6, "")
    assert row.note == "the interval ends where the grid does: the optimum may lie beyond"


def test_a_shift_is_the_slope_in_decades_per_decade() -> None:
    row = only(optimum_shift(trials(tent(lambda rate: 1e-4 / rate)), "weight_decay", "max_lr"))
    assert row.slope == pytest.approx(-1.0)
    assert row.verdict == "the best weight_decay falls as max_lr grows"
    row = only(optimum_shift(trials(tent(lambda _: 1e-4)), "weight_decay", "max_lr"))
    assert row.slope == pytest.approx(0.0)
    assert row.verdict.startswith("undecided")
    row = only(optimum_shift(trials(tent(lambda rate: 1e-5 * rate)), "weight_decay", "max_lr"))
    assert row.verdict == "the best weight_decay grows with max_lr"


def test_an_optimum_at_the_end_of_its_grid_makes_the_slope_a_bound() -> None:
    # At the smallest rate the best decay is the largest one: the true fall may be steeper.
    row = only(optimum_shift(trials(tent(lambda rate: 1e-4 / rate)), "weight_decay", "max_lr"))
    assert (row.censored, row.low) == ("<", -np.inf)
    assert row.high == row.slope == pytest.approx(-1)
    assert row.verdict == "the best weight_decay falls as max_lr grows"
    # With the best decay at that end for the two smaller rates too, the optima may be anywhere.
    row = only(optimum_shift(trials(tent(lambda _: 1e-2)), "weight_decay", "max_lr"))
    assert (row.censored, row.low, row.high) == ("<>", -np.inf, np.inf)
    assert row.verdict == "undecided: the best weight_decay is at the end of its grid"


def test_an_optimum_within_its_grid_is_not_censored() -> None:
    decays = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
    made = trials(tent(lambda rate: 1e-4 / rate), decays=decays)
    row = only(optimum_shift(made, "weight_decay", "max_lr"))
    assert (row.slope, row.low, row.high) == pytest.approx((-1, -1, -1))
    assert row.censored == ""


def test_noise_alone_shows_no_shift() -> None:
    noise = np.random.default_rng(1).normal(0, 0.02, (3, 4, 6))

    def accuracy(rate: float, decay: float, seed: int) -> float:
        return 0.8 + float(noise[RATES.index(rate), DECAYS.index(decay), seed])

    row = only(optimum_shift(trials(accuracy, seeds=6), "weight_decay", "max_lr"))
    assert row.low < 0 < row.high
    assert row.verdict.startswith("undecided")


def test_one_seed_has_no_interval_and_the_note_says_so() -> None:
    one = trials(tent(lambda rate: 1e-4 / rate), seeds=1)
    frame = optimum(one, "weight_decay", ["max_lr"])
    assert frame["low"].isna().all()
    assert frame["note"].str.contains("one seed: no interval").all()
    assert (
        optimum_shift(one, "weight_decay", "max_lr")["verdict"][0]
        == "one seed: no interval, so no verdict"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t[t["role"] != "training"], "there is no finished training"),
        (lambda t: t[t.index != 3], "every weight_decay must be run with the same seeds"),
        (
            lambda t: t.replace({"test_accuracy": {t["test_accuracy"][0]: np.nan}}),
            "finite in every",
        ),
        (lambda t: t[t["max_lr"] == 1.0], "max_lr must have at least two values"),
        (lambda t: t.replace({"weight_decay": {1e-6: 0.0}}), "weight_decay must be > 0 on a log"),
        (
            lambda t: t[(t["max_lr"] > 0.1) | (t["seed"] > 0)],
            "every max_lr must be run with the sam",
        ),
    ],
)
def test_what_has_no_answer_is_an_error(
    change: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        optimum_shift(change(trials(tent(lambda _: 1e-4))), "weight_decay", "max_lr")
