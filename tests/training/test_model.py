from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from superconv_ray.data.batches import (
    ResidentDataset,
    to_device,
)
from superconv_ray.data.dataset import Dataset
from superconv_ray.training.check import check_model
from superconv_ray.training.loop import TrainingRun
from tests.training.made import (
    CPU,
    SoftmaxRegression,
    make_trial,
    new_run,
    trained,
)


def vectors() -> ResidentDataset:
    """Two classes that their first feature tells apart; five features."""
    generator = np.random.default_rng(0)
    y = np.arange(120) % 2
    x = generator.normal(size=(120, 5)).astype(np.float32)
    x[:, 0] += 4 * y
    return to_device(
        Dataset(train_inputs=x[:80], train_labels=y[:80], test_inputs=x[80:], test_labels=y[80:]),
        CPU,
    )


def test_a_users_model_learns_a_users_vectors() -> None:
    shapes = []

    def perceptron(*, input_shape: tuple[int, ...], classes: int, dropout: float) -> nn.Module:
        shapes.append(input_shape)
        return nn.Sequential(
            nn.Linear(input_shape[0], 8),
            nn.BatchNorm1d(8),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(8, classes),
        )

    trial = make_trial(dataset="vectors", model="perceptron", data_count=80, dropout=0.1)
    run = TrainingRun(trial, vectors(), perceptron)
    run.train()
    measurements = run.outcome().measurements
    assert shapes == [(5,)]
    assert measurements["test_accuracy"] > 0.9
    assert measurements["test_accuracy_reestimated"] > 0.9
    assert measurements["parameters"] == 5 * 8 + 8 + 16 + 8 * 2 + 2


def test_a_users_model_sees_channels_first() -> None:
    shapes: list[tuple[int, ...]] = []

    class Watch(SoftmaxRegression):
        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            shapes.append(arguments["input_shape"])

        def forward(self, x: Tensor) -> Tensor:
            shapes.append(tuple(x.shape))
            return super().forward(x)

    trained(make_trial(steps=1), Watch)
    assert shapes[:2] == [(1, 8, 8), (16, 1, 8, 8)]


def test_a_builder_that_returns_no_module_is_named() -> None:
    def broken(**_: Any) -> Any:
        return "a string"

    with pytest.raises(TypeError, match=r"broken.* must return a torch\.nn\.Module, got str"):
        new_run(make_trial(), broken)


def test_a_builder_with_other_arguments_is_named() -> None:
    def narrow(classes: int) -> nn.Module:
        return nn.Linear(64, classes)

    with pytest.raises(TypeError, match=r"narrow must accept .*got \(classes"):
        new_run(make_trial(), narrow)


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(ValueError, match=r"model must be one of .*, got 'resnet21'; did you"):
        new_run(make_trial(), "resnet21")


def test_what_a_users_model_raises_comes_through() -> None:
    class Raises(SoftmaxRegression):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError(f"no use for {x.ndim} dimensions")

    with pytest.raises(RuntimeError, match="no use for 4 dimensions"):
        trained(make_trial(), Raises)


def test_a_users_model_learns_a_users_volumes() -> None:
    generator = np.random.default_rng(0)
    y = np.arange(96) % 2
    x = generator.integers(0, 100, (96, 4, 5, 6, 2), dtype=np.uint8)
    x[y == 1, 1:3] += 100
    data = Dataset(train_inputs=x[:64], train_labels=y[:64], test_inputs=x[64:], test_labels=y[64:])
    seen: list[Tensor] = []

    class Volumes(nn.Module):
        def __init__(self, *, input_shape: tuple[int, ...], classes: int, dropout: float) -> None:
            super().__init__()
            del dropout
            assert input_shape == (2, 4, 5, 6)
            self.conv = nn.Conv3d(2, 8, 3)
            self.norm = nn.BatchNorm3d(8)
            self.fc = nn.Linear(8 * 2 * 3 * 4, classes)

        def forward(self, x: Tensor) -> Tensor:
            seen[:] = [x]
            logits: Tensor = self.fc(self.norm(self.conv(x)).relu().flatten(1))
            return logits

    trial = make_trial(dataset="mine", model="volumes", data_count=64, ghost_batch_size=8)
    check_model(Volumes, trial, data)
    run = TrainingRun(trial, to_device(data, CPU), Volumes)
    run.train()
    assert run.outcome().measurements["test_accuracy"] > 0.9
    assert seen[0].is_contiguous(memory_format=torch.channels_last_3d)
    weight = run.model.get_parameter("conv.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last_3d)
