from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superconv_ray.design.budget import Budget, epochs, iterations, samples, seconds


@pytest.mark.parametrize(
    ("budget", "training_count", "batch_size", "steps"),
    [
        (iterations(300), 7, 5, 300),
        (iterations(300), 70_000, 512, 300),
        (epochs(1), 100, 10, 10),
        (epochs(1), 101, 10, 11),  # 10.1 steps
        (epochs(3), 500, 32, 47),  # 46.875
        (epochs(0.5), 100, 10, 5),
        (epochs(0.001), 100, 10, 1),  # 0.01: a run has a step
        (epochs(1.1), 100, 10, 11),  # in floats 1.1 * 100 > 110
        (epochs(0.1), 30, 3, 1),
        (samples(1000), 7, 32, 32),  # 31.25
        (samples(1024), 7, 32, 32),
        (samples(1e6), 7, 100, 10_000),
    ],
)
def test_a_budget_buys_these_steps(
    budget: Budget, training_count: int, batch_size: int, steps: int
) -> None:
    assert budget.steps(training_count, batch_size) == steps


@given(st.integers(1, 500), st.integers(1, 100_000), st.integers(1, 512))
def test_an_epoch_is_the_smallest_number_of_steps_that_covers_every_sample(
    count: int, training_count: int, batch_size: int
) -> None:
    steps = epochs(count).steps(training_count, batch_size)
    assert (steps - 1) * batch_size < count * training_count <= steps * batch_size
    assert samples(count * training_count).steps(1, batch_size) == steps


@pytest.mark.parametrize(
    ("budget", "shown"),
    [
        (iterations(1234567), "iterations(1234567)"),
        (iterations(1234568), "iterations(1234568)"),
        (iterations(10**17), "iterations(100000000000000000)"),
        (epochs(2), "epochs(2)"),
        (epochs(2.0), "epochs(2)"),
        (epochs(0.123456789), "epochs(0.123456789)"),
        (samples(1e6), "samples(1000000)"),
        (seconds(60, {128: 0.02}), "seconds(60, {128: 0.02})"),
    ],
)
def test_a_budget_shows_its_full_value(budget: Budget, shown: str) -> None:
    assert repr(budget) == shown


@given(st.integers(1, 2**60), st.integers(1, 2**60))
def test_different_budgets_never_look_the_same(a: int, b: int) -> None:
    assert (repr(iterations(a)) == repr(iterations(b))) == (a == b)


@pytest.mark.parametrize("make", [iterations, epochs, samples])
@pytest.mark.parametrize(
    "amount",
    [0, -1, float("nan"), float("inf"), "300", None, True, pytest.param(10**400, id="10**400")],
)
def test_a_budget_is_a_positive_number(make: Any, amount: object) -> None:
    with pytest.raises((ValueError, TypeError), match=rf"^budget in {make.__name__} must be "):
        make(amount)


def test_iterations_are_whole() -> None:
    assert iterations(300) == Budget(300, "iterations")
    assert repr(iterations(np.int64(300))) == "iterations(300)"  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"budget in iterations must be of type int, got 2\.5"):
        iterations(2.5)  # type: ignore[arg-type]


def test_a_budget_in_seconds_uses_measured_step_times() -> None:
    budget = seconds(6.0, {128: 0.02, 512: 0.05})
    assert (budget.steps(1000, 128), budget.steps(1000, 512)) == (300, 120)
    with pytest.raises(ValueError, match="got none for batch_size 64; known batch sizes: 128, 512"):
        budget.steps(1000, 64)
    with pytest.raises(ValueError, match=r"step_seconds for 64 must be finite and > 0, got 0\.0"):
        seconds(6.0, {64: 0.0})
