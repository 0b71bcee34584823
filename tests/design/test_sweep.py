from __future__ import annotations

from typing import Any

import pytest

from superconv_ray.design.sweep import grid, paired


def test_a_grid_has_every_combination_the_last_field_varying_fastest() -> None:
    assert grid(data_fraction=(0.1, 1.0), dropout=[0, 0.5]).points == (
        {"data_fraction": 0.1, "dropout": 0},
        {"data_fraction": 0.1, "dropout": 0.5},
        {"data_fraction": 1.0, "dropout": 0},
        {"data_fraction": 1.0, "dropout": 0.5},
    )


def test_an_empty_grid_is_one_point_without_settings() -> None:
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


def test_a_field_swept_twice_is_rejected() -> None:
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


def test_fields_are_paired_only_where_there_are_some() -> None:
    with pytest.raises(ValueError, match="paired: must have at least one field, got none"):
        paired()


def test_the_points_of_a_huge_sweep_are_counted_without_making_them() -> None:
    sweep = grid(data_count=range(1, 10**9), dropout=(0, 0.5)) * paired(seed=range(10**6))
    assert len(sweep) == (10**9 - 1) * 2 * 10**6


def test_a_sweep_without_some_fields_has_each_point_that_is_left_once() -> None:
    sweep = paired(batch_size=(32, 32, 64), max_lr=(0.1, 0.2, 0.3)) * grid(dropout=(0, 0.5))
    assert sweep.without(["max_lr", "dropout"]).points == ({"batch_size": 32}, {"batch_size": 64})
    assert sweep.without(["batch_size", "max_lr"]) == grid(dropout=(0, 0.5))
