"""What must hold on every device. Tests run on a CPU; `make gpu` runs them on a GPU as well."""

from __future__ import annotations

import os
from typing import Any

import pytest
import torch

from benchmarks.gpu.made import images, same_bits, trial_of
from superconv_ray.data.batches import ResidentDataset, to_device
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.execution.memory import peaks, reset_peaks
from superconv_ray.training.loop import TrainingRun
from superconv_ray.training.numerics import device_name, prepare_process, resolve_precision

pytestmark = pytest.mark.device

DEVICE = torch.device(os.environ.get("SUPERCONV_TEST_DEVICE", "cpu"))
ON_GPU = DEVICE.type == "cuda"
prepare_process()

DATA = images(128, (12, 12, 1))
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "dropout": {"dropout": 0.3},
    "nesterov": {"optimizer": "nesterov", "weight_decay": 1e-3},
    "adamw": {"optimizer": "adamw", "max_lr": 0.01, "weight_decay": 0.1},
    "bf16": {"precision": "bf16"},
    "ghost batches": {"ghost_batch_size": 8},
    "hessian-free": {"hessian_free_interval": 3},
    "range test": {"validation_fraction": 0.2, "policy": "range_test_exponential", "max_lr": 1.0},
}


def short(**changes: Any) -> CompleteTrial:
    return trial_of(**{"data_count": 100, "batch_size": 16, "steps": 20, **changes})


def run_on(device: torch.device, trial: CompleteTrial) -> TrainingRun:
    return TrainingRun(trial, to_device(DATA, device), trial.model)


def trained(trial: CompleteTrial, device: torch.device = DEVICE) -> TrainingRun:
    run = run_on(device, trial)
    run.train()
    return run


def test_data_and_model_are_on_the_device() -> None:
    resident: ResidentDataset = to_device(DATA, DEVICE)
    assert resident.train_inputs.device.type == DEVICE.type
    run = run_on(DEVICE, short())
    assert {p.device.type for p in run.model.parameters()} == {DEVICE.type}
    assert run.device.type == DEVICE.type


@pytest.mark.parametrize("kind", KINDS)
def test_a_deterministic_run_gives_the_same_bits_twice_and_after_a_cut(kind: str) -> None:
    trial = short(deterministic=True, **KINDS[kind])
    whole = trained(trial)
    assert same_bits(whole, trained(trial))
    begun, continued = run_on(DEVICE, trial), run_on(DEVICE, trial)
    begun.train(pause=lambda: begun.step == 7)
    assert continued.restore(begun.state()) is None
    assert not same_bits(whole, continued)  # the comparison sees a difference
    continued.train()
    assert same_bits(whole, continued)


@pytest.mark.parametrize("kind", ["plain", "nesterov", "adamw", "ghost batches"])
def test_the_first_losses_are_those_of_the_cpu(kind: str) -> None:
    trial = short(**KINDS[kind], augment="none", eval_interval=1)
    cpu, device = (trained(trial, d).curve for d in (torch.device("cpu"), DEVICE))
    for place in range(2):  # rounding differs, and training amplifies it
        assert device[place]["train_loss"] == pytest.approx(cpu[place]["train_loss"], rel=1e-3)


def test_the_random_numbers_of_the_process_are_left_as_they_were() -> None:
    def states() -> list[torch.Tensor]:
        return [torch.get_rng_state(), *([torch.cuda.get_rng_state()] if ON_GPU else [])]

    before = states()
    trained(short(dropout=0.3))
    assert all(torch.equal(a, b) for a, b in zip(before, states(), strict=True))


def test_a_run_of_the_device_continues_on_a_cpu_and_says_so() -> None:
    trial = short()
    begun, moved = run_on(DEVICE, trial), run_on(torch.device("cpu"), trial)
    begun.train(pause=lambda: begun.step == 7)
    told = moved.restore(begun.state())
    moved.train()
    assert moved.finished
    assert bool(told) == ON_GPU
    assert moved.outcome().measurements["device"].startswith(device_name(DEVICE))


def test_a_trial_says_on_what_it_was_computed_and_how() -> None:
    measured = trained(short(precision="auto")).outcome().measurements
    assert measured["device"] == device_name(DEVICE)
    assert measured["precision_used"] == resolve_precision("auto", DEVICE)


def test_the_peak_of_gpu_memory_is_measured_on_a_gpu_only() -> None:
    reset_peaks(DEVICE)
    trained(short())
    found = peaks(DEVICE)
    assert ("peak_gpu_memory_bytes" in found) == ON_GPU
    assert all(value > 0 for value in found.values())
