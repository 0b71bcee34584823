from __future__ import annotations

import re
from typing import Any

import pytest

from superconv_ray.design.choices import FromRangeTest, Tuned, Tuning, from_range_test, tuned


def test_a_range_test_has_defaults_that_can_be_changed() -> None:
    assert from_range_test() == FromRangeTest(10.0, 1e-4, None, "exponential", 0.2, 50, 0)
    assert from_range_test(scale="linear") == FromRangeTest(3.0, 0.0, None, "linear", 0.2, 50, 0)
    assert from_range_test(
        high=1,
        low=1e-3,
        steps=200,
        scale="exponential",
        validation_fraction=0.5,
        points=20,
        confirm=3,
    ) == FromRangeTest(1, 1e-3, 200, "exponential", 0.5, 20, 3)


@pytest.mark.parametrize("value", [0, 1, -0.2, 1.5])
def test_a_range_test_is_read_on_held_out_labels(value: float) -> None:
    with pytest.raises(ValueError, match=r"validation_fraction must be in \(0, 1\), got"):
        from_range_test(validation_fraction=value)


@pytest.mark.parametrize(
    ("confirm", "rates"), [(0, ()), (2, (0.212, 0.424)), (3, (0.15, 0.3, 0.6))]
)
def test_the_rates_to_confirm_lie_around_the_one_that_was_read(
    confirm: int, rates: tuple[float, ...]
) -> None:
    assert from_range_test(confirm=confirm).candidates(0.3) == rates


@pytest.mark.parametrize("confirm", [1, -1, 2.5, True])
def test_a_confirmation_chooses_among_rates(confirm: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=rf"confirm must be .*got {confirm}$"):
        from_range_test(confirm=confirm)


@pytest.mark.parametrize("name", ["points", "steps"])
def test_a_range_test_needs_enough_points_to_show_a_peak(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be >= 5, to show a peak, got 4"):
        reading_with(name, 4)
    for wrong in (7.5, float("nan"), "100"):
        with pytest.raises(TypeError, match=f"from_range_test: {name} must be of type int, got"):
            reading_with(name, wrong)


def reading_with(name: str, value: Any) -> FromRangeTest:
    return from_range_test(**{name: value})


def test_a_range_test_is_linear_or_exponential() -> None:
    with pytest.raises(ValueError, match="scale must be one of 'linear', 'exponential', got 'log'"):
        from_range_test(scale="log")  # type: ignore[arg-type]


def test_a_tuned_setting_is_a_range() -> None:
    assert tuned(1e-3, 1.0) == Tuned(1e-3, 1.0, log=True)
    assert tuned(0, 0.5, log=False) == Tuned(0, 0.5, log=False)


@pytest.mark.parametrize(
    ("low", "high", "log", "message"),
    [
        (1.0, 0.1, True, "tuned: low must be < high, got 1.0 and 0.1"),
        (1.0, 1.0, True, "tuned: low must be < high, got 1.0 and 1.0"),
        (0.0, 1.0, True, "tuned: low must be > 0 with log=True, got 0.0"),
        (float("nan"), 1.0, True, "tuned: low must be finite, got nan"),
        (0.1, float("inf"), False, "tuned: high must be finite, got inf"),
        ("0.1", 1.0, True, "tuned: low must be of type float, got '0.1'"),
        (0.1, 1.0, "linear", "tuned: log must be of type bool, got 'linear'"),
    ],
)
def test_an_impossible_range_is_rejected(low: Any, high: Any, log: bool, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=f"^{re.escape(message)}$"):
        tuned(low, high, log=log)


def test_every_seed_is_searched_for_unless_one_search_is_asked_for() -> None:
    assert Tuning().searches(5) == 5
    assert Tuning(per_seed=False).searches(5) == 1
    with pytest.raises(TypeError, match="tuning: per_seed must be of type bool, got 1"):
        Tuning(per_seed=1)  # type: ignore[arg-type]


def test_an_even_search_has_one_round_and_others_as_many_as_they_need() -> None:
    assert Tuning(trials=9).rounds == 1
    assert Tuning(trials=9, sampler="tpe").rounds == 3
    assert Tuning(trials=9, sampler="gp", parallel=9).rounds == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trials": 0}, "tuning: trials must be an integer in [1, 2**63), got 0"),
        ({"trials": 1.5}, "tuning: trials must be of type int, got 1.5"),
        ({"replicates": True}, "tuning: replicates must be of type int, got True"),
        ({"parallel": 0}, "tuning: parallel must be an integer in [1, 2**63), got 0"),
        ({"seed": -1}, "tuning: seed must be an integer in [0, 2**31), got -1"),
        (
            {"sampler": "random"},
            "tuning: sampler must be one of 'even', 'tpe', 'gp', got 'random'",
        ),
        ({"validation_fraction": 0.0}, "tuning: validation_fraction must be in (0, 1), got 0.0"),
    ],
)
def test_an_impossible_effort_is_rejected(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=f"^{re.escape(message)}$"):
        Tuning(**changes)
