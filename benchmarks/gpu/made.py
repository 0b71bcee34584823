"""Made data and trials of the acceptance run: no file is read."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch

from superconv_ray.data.batches import to_device
from superconv_ray.data.dataset import Dataset
from superconv_ray.design.trial import CompleteTrial, Trial
from superconv_ray.training.loop import TrainingRun


def images(count: int, shape: tuple[int, int, int] = (32, 32, 3), classes: int = 10) -> Dataset:
    """Images whose class is their brightness, with noise: a network learns it in some steps."""
    draws = np.random.default_rng(0)
    labels = np.arange(count) % classes
    level = (labels * (200 // classes)).astype(np.uint8)[:, None, None, None]
    noise = draws.integers(0, 56, (count, *shape), dtype=np.uint8)
    inputs = level + noise
    return Dataset(
        train_inputs=inputs,
        train_labels=labels,
        test_inputs=inputs[: count // 4],
        test_labels=labels[: count // 4],
    )


def trial_of(**settings: Any) -> CompleteTrial:
    """A short training that evaluates at its end."""
    defaults: dict[str, Any] = {
        "model": "small_cnn",
        "batch_size": 32,
        "steps": 24,
        "max_lr": 0.05,
        "data_count": 256,
        "eval_interval": 10**6,
        "eval_count": 32,
        "augment": "flip_crop",
        "precision": "fp32",
    }
    return Trial(**{**defaults, **settings}).complete()


def new_run(trial: CompleteTrial, data: Dataset, device: torch.device) -> TrainingRun:
    """A run that has not begun."""
    return TrainingRun(trial, to_device(data, device), trial.model)


def weights(run: TrainingRun) -> dict[str, torch.Tensor]:
    """All of the model and of the optimizer's moments, on the CPU."""
    state = torch.load(io.BytesIO(run.state()), weights_only=True, map_location="cpu")
    moments = {
        f"{number} {name}": value
        for number, values in state["optimizer"]["state"].items()
        for name, value in values.items()
        if isinstance(value, torch.Tensor)
    }
    return {**state["model"], **moments}


def same_bits(one: TrainingRun, other: TrainingRun) -> bool:
    """Whether two runs have the same weights and moments, bit for bit."""
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
