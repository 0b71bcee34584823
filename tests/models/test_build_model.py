"""Names, user callables, error texts: what is asked of models before any network's details."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from superconv_ray.models import MODELS, ModelFacts, build_model


class Flat(nn.Module):
    """A user's own network."""

    def __init__(self, *, input_shape: tuple[int, ...], classes: int, dropout: float) -> None:
        super().__init__()
        channels, height, width = input_shape
        self.fc = nn.Linear(channels * height * width, classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(self.dropout(x.flatten(1)))
        return logits


def build(name: str, size: int, channels: int = 1) -> nn.Module:
    return build_model(name, input_shape=(channels, size, size), classes=10, dropout=0.0)


def test_importing_the_names_imports_no_torch() -> None:
    code = (
        "import sys, superconv_ray.models as m; assert 'lenet' in m.MODELS;"
        "print([n for n in ('torch', 'numpy', 'ray', 'pandas') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_builtin_names() -> None:
    assert sorted(MODELS) == [
        "bottleneck56",
        "densenet40",
        "lenet",
        "resnet110",
        "resnet20",
        "resnet32",
        "resnet44",
        "resnet56",
        "resnet8",
        "resnext56",
        "small_cnn",
        "wide32",
        "wrn28_10",
    ]
    assert MODELS["lenet"] == ModelFacts(
        "superconv_ray.models.lenet:LeNet", min_size=13, any_size=False
    )


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("channels", [1, 3])
def test_min_size_trains_even_with_a_batch_of_one(name: str, channels: int) -> None:
    size = MODELS[name].min_size
    logits = build(name, size, channels)(torch.randn(1, channels, size, size))
    assert logits.shape == (1, 10)
    assert logits.isfinite().all()


@pytest.mark.parametrize("name", MODELS)
def test_smaller_than_min_size_is_rejected(name: str) -> None:
    least = MODELS[name].min_size
    expected = (
        f"input_shape must be at least {least}x{least} pixels for model '{name}', "
        f"got {least - 1}x40"
    )
    with pytest.raises(ValueError, match=expected):
        build_model(name, input_shape=(1, least - 1, 40), classes=10, dropout=0.0)


SMALL = ["bottleneck56", "densenet40", "lenet", "resnet20", "small_cnn", "wide32"]
"""One of every kind."""


@pytest.mark.parametrize("name", SMALL)
def test_one_seed_gives_one_set_of_weights_and_another_seed_another(name: str) -> None:
    weights = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        weights.append(nn.utils.parameters_to_vector(build(name, 28).parameters()))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("name", SMALL)
def test_dropout_changes_neither_the_weights_drawn_nor_their_names(name: str) -> None:
    states = []
    for dropout in (0.0, 0.5):
        torch.manual_seed(0)
        model = build_model(name, input_shape=(1, 28, 28), classes=10, dropout=dropout)
        states.append(model.state_dict())
    assert list(states[0]) == list(states[1])
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_an_unknown_name_lists_the_names_and_hints_at_the_nearest() -> None:
    with pytest.raises(ValueError, match="model must be one of") as caught:
        build("resnet19", 32)
    assert str(caught.value) == (
        "model must be one of 'bottleneck56', 'densenet40', 'lenet', 'resnet8', 'resnet20', "
        "'resnet32', 'resnet44', 'resnet56', 'resnet110', 'resnext56', 'small_cnn', 'wide32', "
        "'wrn28_10', 'torchvision:NAME' or a callable, got 'resnet19'; did you mean 'resnet110'?"
    )


def test_a_name_like_no_other_gets_no_hint() -> None:
    with pytest.raises(ValueError, match=r"got 'xyz'$"):
        build("xyz", 32)


def test_a_built_in_network_wants_images() -> None:
    with pytest.raises(ValueError, match=r"input_shape must be \(channels, height, width\) for"):
        build_model("lenet", input_shape=(784,), classes=10, dropout=0.0)


def test_a_users_callable_is_called_with_the_three_keywords() -> None:
    model = build_model(Flat, input_shape=(3, 4, 5), classes=7, dropout=0.25)
    assert isinstance(model, Flat)
    assert model.fc.weight.shape == (7, 60)
    assert model.dropout.p == 0.25


def test_a_callable_that_returns_no_module_is_named() -> None:
    def two(**_: object) -> nn.Module:
        return 2  # type: ignore[return-value]

    with pytest.raises(TypeError, match=r"two must return a torch\.nn\.Module, got int"):
        build_model(two, input_shape=(1, 8, 8), classes=10, dropout=0.0)


def test_a_callable_without_the_keywords_gets_an_error_with_the_signature() -> None:
    def narrow(classes: int) -> nn.Module:
        return nn.Linear(1, classes)

    with pytest.raises(TypeError, match="narrow must accept") as caught:
        build_model(narrow, input_shape=(1, 8, 8), classes=10, dropout=0.0)
    wanted = "(*, input_shape: tuple[int, ...], classes: int, dropout: float) -> nn.Module"
    assert wanted in str(caught.value)
    assert "unexpected keyword argument" in str(caught.value)


def test_a_type_error_inside_a_callable_keeps_its_own_message() -> None:
    def broken(**_: object) -> nn.Module:
        raise TypeError("from inside")

    with pytest.raises(TypeError, match=r"^from inside$"):
        build_model(broken, input_shape=(1, 8, 8), classes=10, dropout=0.0)


def test_a_module_that_is_already_built_is_rejected() -> None:
    with pytest.raises(TypeError, match="got a module that is already built"):
        build_model(nn.Linear(2, 2), input_shape=(1, 8, 8), classes=10, dropout=0.0)


def test_neither_name_nor_callable_is_rejected() -> None:
    with pytest.raises(TypeError, match=r"model must be a name or a callable .*, got 20$"):
        build_model(20, input_shape=(1, 8, 8), classes=10, dropout=0.0)  # type: ignore[arg-type]
