"""Runs of some dozen steps on digits."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from superconv_ray.data.batches import (
    ResidentDataset,
    TrainingBatches,
    input_statistics,
    prepare,
    to_device,
)
from superconv_ray.data.readers import load_dataset
from superconv_ray.data.subsets import limited_subset
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.trial import CompleteTrial, Trial
from superconv_ray.training.loop import (
    TrainingRun,
)
from tests.own_code import mirrored, noise, sign_descent

needs_muon = pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch < 2.9 has no Muon")

CPU = torch.device("cpu")
STEPS = 40
ROW_STEPS = [1, 2, 4, 7, 14, 21, 28, 35, 40]  # of eval_interval=7; losses are checked at 16 and 32


@cache
def digits() -> ResidentDataset:
    return to_device(load_dataset("digits"), CPU)


def make_trial(**changes: Any) -> CompleteTrial:
    defaults: dict[str, Any] = {
        "steps": STEPS,
        "max_lr": 0.2,
        "data_count": 100,
        "batch_size": 16,
        "eval_interval": 7,
        "eval_count": 50,
        "precision": "fp32",
    }
    return Trial(**defaults | changes).complete()


def new_run(
    trial: CompleteTrial, model: str | Callable[..., nn.Module] | None = None
) -> TrainingRun:
    return TrainingRun(trial, digits(), model or trial.model)


def trained(
    trial: CompleteTrial, model: str | Callable[..., nn.Module] | None = None
) -> TrainingRun:
    run = new_run(trial, model)
    run.train()
    return run


def rows(run: TrainingRun) -> list[dict[str, str]]:
    return [exactly(row) for row in run.curve]


def measured(outcome: Outcome) -> dict[str, str]:
    return exactly(outcome.measurements)


def exactly(record: Mapping[str, Any]) -> dict[str, str]:
    """All but times, to the last digit; NaN is equal to NaN."""
    return {k: repr(v) for k, v in record.items() if not k.endswith("_seconds")}


def everything(run: TrainingRun) -> dict[str, Any]:
    """All of a run that must be equal, bit for bit, to that of another one."""
    state = torch.load(io.BytesIO(run.state()), weights_only=True)
    return {
        "step": run.step,
        "rows": rows(run),
        "weights": {name: bits(value) for name, value in run.model.state_dict().items()},
        "moments": all_bits(state["optimizer"]),
        "outcome": measured(run.outcome()),
    }


def all_bits(value: Any) -> Any:
    """Nested containers, with tensors as bytes."""
    if isinstance(value, dict):
        return {key: all_bits(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [all_bits(item) for item in value]
    return bits(value)


def weight(run: TrainingRun, name: str) -> Any:
    return bits(run.model.get_parameter(name))


def bits(value: Any) -> Any:
    return value.detach().contiguous().numpy().tobytes() if isinstance(value, Tensor) else value


def half_of_cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    assert outputs.dtype == torch.float32
    return F.cross_entropy(outputs, targets) / 2


def mistakes(outputs: Any, targets: Any) -> int:
    assert outputs.dtype == np.float32
    return int((outputs.argmax(1) != targets).sum())


class SoftmaxRegression(nn.Module):
    """No batch norm, no dropout; inputs of any shape."""

    def __init__(self, *, input_shape: tuple[int, ...], classes: int, dropout: float) -> None:
        super().__init__()
        del dropout
        self.linear = nn.Linear(int(np.prod(input_shape)), classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.linear(x.flatten(1))
        return logits


class SpoiltAfter20Steps(SoftmaxRegression):
    """Its logits are NaN from the 21st training batch on."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.batches = 0

    def forward(self, x: Tensor) -> Tensor:
        self.batches += self.training
        return super().forward(x) * (float("nan") if self.batches > 20 else 1.0)


def norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


def first_batches(run: TrainingRun, count: int = 3) -> list[tuple[bytes, bytes]]:
    """Inputs of the first steps, as the model sees them, and its weights before the first."""
    seen: list[tuple[bytes, bytes]] = []

    def look(module: nn.Module, inputs: tuple[Tensor]) -> None:
        if module.training and len(seen) < count:
            weights = b"" if seen else b"".join(bits(p) for p in module.parameters())
            seen.append((bits(inputs[0]), weights))

    run.model.register_forward_pre_hook(look)
    run.train(pause=lambda: run.step >= count)
    return seen


def training_part(trial: CompleteTrial) -> Tensor:
    data, indices = digits(), training_indices(trial)
    x = data.train_inputs.index_select(0, indices)
    return prepare(x, input_statistics(data.train_inputs, indices))


def training_indices(trial: CompleteTrial) -> Tensor:
    subset = limited_subset(
        digits().train_labels.numpy(),
        count=trial.data_count,
        seed=trial.subset_seed,
        validation_fraction=trial.validation_fraction,
    )
    return torch.from_numpy(subset.training)


def held_out_part(trial: CompleteTrial) -> tuple[Tensor, Tensor]:
    data = digits()
    statistics = input_statistics(data.train_inputs, training_indices(trial))
    return prepare(data.test_inputs, statistics), data.test_labels


def batches_by_hand(trial: CompleteTrial) -> TrainingBatches:
    data, indices = digits(), training_indices(trial)
    return TrainingBatches(
        data.train_inputs,
        data.train_labels,
        indices,
        batch_size=trial.batch_size,
        seed=trial.seed,
        augment="none",
        statistics=input_statistics(data.train_inputs, indices),
    )


VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "dropout and augmentation": {"dropout": 0.3, "augment": "flip_crop"},
    "nesterov": {"optimizer": "nesterov", "weight_decay": 1e-3, "weight_decay_on": "weights"},
    "adam": {"optimizer": "adam", "max_lr": 0.01, "dropout": 0.2},
    "adamw": {"optimizer": "adamw", "max_lr": 0.01, "weight_decay": 0.1, "augment": "crop"},
    "caffe": {"lr_placement": "inside", "weight_decay": 1e-3},
    "adagrad": {"optimizer": "adagrad", "max_lr": 0.05, "weight_decay": 1e-3},
    "adadelta": {"optimizer": "adadelta", "max_lr": 1.0},
    "rmsprop": {"optimizer": "rmsprop", "max_lr": 0.003, "dropout": 0.2},
    "muon": {"optimizer": "muon", "max_lr": 0.02, "weight_decay": 0.1},
    "schedule-free sgd": {"optimizer": "schedule_free_sgd", "policy": "constant"},
    "schedule-free adamw": {
        "optimizer": "schedule_free_adamw",
        "policy": "constant",
        "warmup_fraction": 0.2,
        "max_lr": 0.01,
        "weight_decay": 0.1,
        "dropout": 0.2,
    },
    "own code": {
        "policy": mirrored,
        "optimizer": sign_descent,
        "augment": noise,
        "max_lr": 0.01,
        "dropout": 0.2,
    },
    "bf16": {"precision": "bf16", "dropout": 0.3, "augment": "flip"},
    "ghost batches": {"ghost_batch_size": 4, "precision": "bf16", "dropout": 0.2},
    "hessian-free": {"hessian_free_interval": 3, "dropout": 0.2},
    "validation": {"validation_fraction": 0.2, "policy": "range_test_linear", "max_lr": 2.0},
    "epochs end within batches": {"data_count": 37, "batch_size": 11},
    "own loss and metric": {
        "loss": half_of_cross_entropy,
        "metric": mistakes,
        "metric_goal": "minimize",
        "dropout": 0.2,
        "precision": "bf16",
    },
    "diverging": {"policy": "range_test_exponential", "start_lr": 1e-3, "max_lr": 1e9},
}


if not hasattr(torch.optim, "Muon"):  # torch < 2.9
    del VARIANTS["muon"]


@cache
def never_cut_off(variant: str) -> dict[str, Any]:
    return everything(trained(make_trial(**VARIANTS[variant])))
