from __future__ import annotations

from typing import Any

import pytest
import torch

from superconv_ray.data.batches import (
    ResidentDataset,
)
from superconv_ray.training.loop import (
    TrainingRun,
)
from tests.training.made import (
    VARIANTS,
    bits,
    digits,
    everything,
    first_batches,
    make_trial,
    never_cut_off,
    new_run,
    rows,
    trained,
)


@pytest.mark.parametrize(
    "arm",
    [
        {"policy": "piecewise"},
        {"policy": "constant", "max_lr": 0.01, "weight_decay": 0.1},
        {"optimizer": "adam", "max_lr": 0.001},
        {"steps": 80},
        {"bn_momentum": 0.5},
        {"ghost_batch_size": 4},
        {"dropout": 0.5},
    ],
)
def test_arms_share_initial_weights_subset_order_and_augmentation(arm: dict[str, Any]) -> None:
    one = first_batches(new_run(make_trial(augment="flip_crop")))
    other = first_batches(new_run(make_trial(augment="flip_crop", **arm)))
    assert one == other


def test_the_subset_and_the_weights_have_seeds_of_their_own() -> None:
    same_subset = first_batches(new_run(make_trial(seed=1, subset_seed=0)))
    assert same_subset[0] != first_batches(new_run(make_trial(seed=1)))[0]
    assert same_subset[0][1] == first_batches(new_run(make_trial(seed=1)))[0][1]


def poisoned(part: str, value: int) -> ResidentDataset:
    """Digits with that part's labels all the same and its inputs all white."""
    good = digits()
    changes = {
        f"{part}_labels": torch.full_like(getattr(good, f"{part}_labels"), value),
        f"{part}_inputs": torch.full_like(getattr(good, f"{part}_inputs"), 255),
    }
    names = ("train_inputs", "train_labels", "test_inputs", "test_labels")
    return ResidentDataset(**{name: changes.get(name, getattr(good, name)) for name in names})


def test_runs_that_hold_out_validation_labels_never_read_the_test_set() -> None:
    trial = make_trial(**VARIANTS["validation"])
    run = TrainingRun(trial, poisoned("test", -1), "small_cnn")
    run.train()
    assert everything(run) == never_cut_off("validation")


def test_runs_that_hold_out_validation_labels_say_nothing_of_the_test_set() -> None:
    run = trained(make_trial(**VARIANTS["validation"]))
    for record in [run.outcome().measurements, *run.curve]:
        assert not [name for name in record if name.startswith("test_")]
        assert 0 <= record["validation_accuracy"] <= 1


def test_runs_that_hold_out_nothing_say_nothing_of_validation() -> None:
    run = trained(make_trial())
    for record in [run.outcome().measurements, *run.curve]:
        assert not [name for name in record if name.startswith("validation_")]
        assert 0 <= record["test_accuracy"] <= 1


def test_the_test_set_has_no_influence_on_the_training() -> None:
    run = TrainingRun(make_trial(), poisoned("test", 3), "small_cnn")
    run.train()
    got = {name: bits(value) for name, value in run.model.state_dict().items()}
    assert got == never_cut_off("plain")["weights"]
    expected = [row["train_loss"] for row in never_cut_off("plain")["rows"]]
    assert [row["train_loss"] for row in rows(run)] == expected
