from __future__ import annotations

from collections.abc import Callable
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
from superconv_ray.data.readers import load_dataset
from superconv_ray.training.loop import (
    TrainingRun,
)
from superconv_ray.training.model import check_model
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


# Before anything is trained


class NoParameters(nn.Module):
    def __init__(self, **_: object) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, :10]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (NoParameters, "must have parameters to train"),
        (lambda **_: nn.Sequential(nn.Flatten(), nn.Linear(64, 7)), r"logits \[n, 10\].*\[2, 7\]"),
    ],
)
def test_a_model_that_cannot_classify_is_refused(
    model: Callable[..., nn.Module], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check_model(model, load_dataset("digits"), 0.0)


def test_trying_a_model_leaves_the_random_state_alone() -> None:
    before = torch.get_rng_state()
    check_model("small_cnn", load_dataset("digits"), 0.1)
    assert torch.equal(torch.get_rng_state(), before)
