from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superconv_ray.design.study import (
    Arm,
    Budget,
    FromRangeTest,
    Study,
    Sweep,
    Tuned,
    Tuning,
    at_least,
    epochs,
    from_range_test,
    grid,
    iterations,
    paired,
    samples,
    seconds,
    tuned,
)
from superconv_ray.design.trial import Trial


def study(**changes: Any) -> Study:
    return Study(**{"name": "question", "budget": iterations(10), **changes})


# Sweeps


def test_a_grid_has_every_combination_the_last_field_varying_fastest() -> None:
    assert grid(data_fraction=(0.1, 1.0), dropout=[0, 0.5]).points == (
        {"data_fraction": 0.1, "dropout": 0},
        {"data_fraction": 0.1, "dropout": 0.5},
        {"data_fraction": 1.0, "dropout": 0},
        {"data_fraction": 1.0, "dropout": 0.5},
    )


def test_a_grid_of_nothing_is_one_point_that_sets_nothing() -> None:
    assert grid().points == ({},)


def test_paired_fields_change_together() -> None:
    assert paired(batch_size=(32, 64), max_lr=iter((0.1, 0.2))).points == (
        {"batch_size": 32, "max_lr": 0.1},
        {"batch_size": 64, "max_lr": 0.2},
    )


def test_a_product_has_every_point_with_every_point() -> None:
    sweep = grid(data_fraction=(0.1, 1.0)) * paired(batch_size=(32, 64), max_lr=(0.1, 0.2))
    assert sweep.points == (
        {"data_fraction": 0.1, "batch_size": 32, "max_lr": 0.1},
        {"data_fraction": 0.1, "batch_size": 64, "max_lr": 0.2},
        {"data_fraction": 1.0, "batch_size": 32, "max_lr": 0.1},
        {"data_fraction": 1.0, "batch_size": 64, "max_lr": 0.2},
    )
    assert (grid() * sweep).points == sweep.points == (sweep * grid()).points


def test_a_field_is_swept_once() -> None:
    with pytest.raises(ValueError, match=r"^sweep: 'dropout' is swept twice$"):
        grid(dropout=(0.1, 0.2)) * paired(dropout=(0.1, 0.2))


def test_paired_fields_have_the_same_number_of_values() -> None:
    with pytest.raises(ValueError, match=r"same number of values, got \{'seed': 2, 'steps': 1\}"):
        paired(seed=(1, 2), steps=(1,))


@pytest.mark.parametrize("sweep", [grid, paired])
@pytest.mark.parametrize("value", [0.1, "cifar10", None])
def test_a_swept_field_needs_a_sequence_of_values(sweep: Any, value: object) -> None:
    with pytest.raises(ValueError, match=r"(grid|paired): dropout must be a sequence of values"):
        sweep(dropout=value)


@pytest.mark.parametrize("sweep", [grid, paired])
def test_a_swept_field_needs_a_value(sweep: Any) -> None:
    with pytest.raises(ValueError, match=r": dropout must have at least one value, got none"):
        sweep(dropout=())


def test_a_sweep_has_a_point() -> None:
    with pytest.raises(ValueError, match="sweep must have at least one point, got none"):
        paired()
    with pytest.raises(ValueError, match="sweep must have at least one point, got none"):
        Sweep(())


# Budgets


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
def test_an_epoch_is_the_least_number_of_steps_that_sees_every_sample(
    count: int, training_count: int, batch_size: int
) -> None:
    steps = epochs(count).steps(training_count, batch_size)
    assert (steps - 1) * batch_size < count * training_count <= steps * batch_size
    assert samples(count * training_count).steps(1, batch_size) == steps


@pytest.mark.parametrize("make", [iterations, epochs, samples])
@pytest.mark.parametrize(
    "amount", [0, -1, float("nan"), float("inf"), "300", None, True, np.int64(300)]
)
def test_a_budget_is_a_positive_number(make: Any, amount: object) -> None:
    with pytest.raises(ValueError, match=r"^budget .*got ") as caught:
        make(amount)
    assert str(caught.value).endswith(f"got {amount!r}")


def test_iterations_are_whole() -> None:
    assert iterations(300) == Budget(300, "iterations")
    with pytest.raises(ValueError, match=r"iterations must be a whole number > 0, got 2\.5"):
        iterations(2.5)  # type: ignore[arg-type]


# Range tests


def test_a_range_test_has_defaults_that_can_be_changed() -> None:
    assert from_range_test() == FromRangeTest(3.0, None, None, "linear", 0.2, 50)
    assert from_range_test(
        high=1, low=1e-4, steps=200, scale="exponential", validation_fraction=0.5, points=20
    ) == FromRangeTest(1, 1e-4, 200, "exponential", 0.5, 20)


@pytest.mark.parametrize("value", [0, 1, -0.2, 1.5])
def test_a_range_test_is_read_on_held_out_labels(value: float) -> None:
    with pytest.raises(ValueError, match=rf"validation_fraction must be in \(0, 1\).*{value}$"):
        from_range_test(validation_fraction=value)


def test_a_range_test_has_the_points_to_show_a_peak() -> None:
    with pytest.raises(ValueError, match="points must be >= 5 to show a peak, got 4"):
        from_range_test(points=4)


def test_a_range_test_is_linear_or_exponential() -> None:
    with pytest.raises(ValueError, match="scale must be one of 'linear', 'exponential', got 'log'"):
        from_range_test(scale="log")  # type: ignore[arg-type]


# Studies


def test_an_arm_shows_as_it_is_written() -> None:
    assert repr(Arm(policy="one_cycle", max_lr=0.1)) == "Arm(policy='one_cycle', max_lr=0.1)"


def test_a_study_by_default_has_one_arm_one_point_and_three_seeds() -> None:
    plain = study()
    assert list(plain.arms) == ["one_cycle"]
    assert plain.arms["one_cycle"].settings == {}
    assert plain.sweep.points == ({},)
    assert plain.seed_values() == (0, 1, 2)
    assert plain.base == Trial()


@pytest.mark.parametrize("name", ["", "a/b", "a b", ".hidden", "../up", "a\n", "ä"])
def test_a_study_is_named_so_that_a_file_can_be(name: str) -> None:
    with pytest.raises(ValueError, match=r"^name must be letters, digits") as caught:
        study(name=name)
    assert str(caught.value).endswith(f"got {name!r}")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("budget", 300, "budget must come from iterations"),
        ("base", {"dataset": "digits"}, r"base must be a Trial\(\.\.\.\), got \{'dataset'"),
        ("sweep", {"dropout": (0, 1)}, "sweep must come from grid.* or paired.*, got {'dropout'"),
        ("arms", {"a": Arm(), "b": {"max_lr": 1}}, r"arms: 'b' must be an Arm.*got \{'max_lr': 1"),
    ],
)
def test_a_part_of_the_wrong_kind_is_rejected(field: str, value: object, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        study(**{field: value})


def test_a_study_has_an_arm() -> None:
    with pytest.raises(ValueError, match="arms must name at least one arm, got none"):
        study(arms={})


def test_names_of_built_in_data_sets_and_models_are_taken() -> None:
    with pytest.raises(ValueError, match="datasets: 'digits' is the name of a built-in data set"):
        study(datasets={"digits": lambda: None})
    with pytest.raises(ValueError, match="models: 'lenet' is the name of a built-in model"):
        study(models={"lenet": lambda: None})


def test_seeds_are_a_count_or_given() -> None:
    assert study(seeds=2).seed_values() == (0, 1)
    assert study(seeds=[5, 3]).seed_values() == (5, 3)
    assert study(seeds=range(10, 12)).seed_values() == (10, 11)


@pytest.mark.parametrize("seeds", [0, -1, ()])
def test_there_is_a_seed(seeds: object) -> None:
    with pytest.raises(ValueError, match="seeds must be at least one, got"):
        study(seeds=seeds).seed_values()


def test_seeds_differ() -> None:
    with pytest.raises(ValueError, match=r"seeds must differ from one another, got \(1, 2, 1\)"):
        study(seeds=(1, 2, 1)).seed_values()


@pytest.mark.parametrize("seeds", [True, 2.0, "12", None, {1, 2}, (1, 2.0), (True,), [np.int64(1)]])
def test_seeds_are_integers(seeds: object) -> None:
    with pytest.raises(TypeError, match="seeds must be a count or a sequence of integers, got"):
        study(seeds=seeds).seed_values()


# What is chosen, and with how many seeds


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
        ("0.1", 1.0, True, "tuned: low must be a number, got '0.1'"),
    ],
)
def test_an_impossible_range_is_rejected(low: Any, high: Any, log: bool, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=f"^{re.escape(message)}$"):
        tuned(low, high, log=log)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trials": 0}, "tuning: trials must be an integer >= 1, got 0"),
        ({"parallel": 1.5}, "tuning: parallel must be an integer >= 1, got 1.5"),
        ({"replicates": True}, "tuning: replicates must be an integer >= 1, got True"),
        ({"validation_fraction": 0.0}, "tuning: validation_fraction must be in (0, 1), got 0.0"),
    ],
)
def test_an_impossible_effort_is_rejected(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Tuning(**changes)


def test_a_number_of_seeds_may_depend_on_what_they_show() -> None:
    given = study(seeds=at_least(3, up_to=12), arms={"a": Arm(), "b": Arm(policy="cosine")})
    assert given.first_seeds() == 3
    assert given.seed_values() == tuple(range(12))
    assert study(seeds=4).first_seeds() == 4


@pytest.mark.parametrize(("least", "up_to"), [(1, 5), (5, 3), (0, 0)])
def test_an_impossible_number_of_seeds_is_rejected(least: int, up_to: int) -> None:
    with pytest.raises(ValueError, match="at_least: must be 2 <= least <= up_to"):
        at_least(least, up_to=up_to)


def test_adding_seeds_until_it_is_decided_needs_two_arms() -> None:
    with pytest.raises(ValueError, match=r"seeds: at_least\(\.\.\.\) needs two arms.*got 1"):
        study(seeds=at_least(2, up_to=3))


def test_a_budget_may_be_left_to_the_sweep() -> None:
    sweep = grid(budget=(iterations(10), epochs(2)))
    given = study(budget=None, sweep=sweep)
    assert [given.budget_at(point) for point in sweep.points] == [iterations(10), epochs(2)]
    assert repr(epochs(2)) == "epochs(2)"
    with pytest.raises(ValueError, match="budget is set by the study and by the sweep; choose one"):
        study(sweep=sweep)
    with pytest.raises(TypeError, match=r"budget must come from iterations.*got None"):
        study(budget=None)
    with pytest.raises(TypeError, match=r"budget must come from iterations.*got 5"):
        study(budget=None, sweep=grid(budget=(5,)))
    with pytest.raises(ValueError, match="arms: 'a' cannot set the budget, all arms share it"):
        study(arms={"a": Arm(budget=iterations(3))})


def test_a_budget_of_time_is_made_of_measured_times() -> None:
    budget = seconds(6.0, {128: 0.02, 512: 0.05})
    assert (budget.steps(1000, 128), budget.steps(1000, 512)) == (300, 120)
    with pytest.raises(ValueError, match="got none for batch_size 64; there are: 128, 512"):
        budget.steps(1000, 64)
    with pytest.raises(ValueError, match=r"step_seconds must be finite and > 0, got 0\.0 for 64"):
        seconds(6.0, {64: 0.0})
