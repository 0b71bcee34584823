"""Networks by name: facts about them that need no torch, and `build_model`.

Importing this package imports neither torch nor a network, so that you can make and check a plan on
a machine without torch.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "MODELS",
    "TORCHVISION",
    "ModelFacts",
    "build_model",
    "is_built",
    "model_choices",
    "names_to_choose_from",
]


@dataclass(frozen=True)
class ModelFacts:
    """Facts that a plan needs about a built-in network.

    Attributes:
        target: What builds it, as "module:callable".
        min_size: Smallest height and width, in pixels, for training with any batch size.
        any_size: Whether one network takes images of several sizes; torchvision's are tried out.
    """

    target: str
    min_size: int
    any_size: bool = True


# A ResNet's last stage, at a quarter of the input, must keep more than one pixel: batch norm cannot
# normalize a batch of one otherwise. The same goes for the small CNN at half the input.
MODELS: Mapping[str, ModelFacts] = MappingProxyType(
    {
        "bottleneck56": ModelFacts("superconv_ray.models.bottleneck:bottleneck56", min_size=5),
        "densenet40": ModelFacts("superconv_ray.models.densenet:DenseNet40", min_size=8),
        "lenet": ModelFacts("superconv_ray.models.lenet:LeNet", min_size=13, any_size=False),
        "resnet8": ModelFacts("superconv_ray.models.resnet:resnet8", min_size=5),
        "resnet20": ModelFacts("superconv_ray.models.resnet:resnet20", min_size=5),
        "resnet32": ModelFacts("superconv_ray.models.resnet:resnet32", min_size=5),
        "resnet44": ModelFacts("superconv_ray.models.resnet:resnet44", min_size=5),
        "resnet56": ModelFacts("superconv_ray.models.resnet:resnet56", min_size=5),
        "resnet110": ModelFacts("superconv_ray.models.resnet:resnet110", min_size=5),
        "resnext56": ModelFacts("superconv_ray.models.bottleneck:resnext56", min_size=5),
        "small_cnn": ModelFacts("superconv_ray.models.small_cnn:SmallCNN", min_size=4),
        "wide32": ModelFacts("superconv_ray.models.wide_resnet:Wide32", min_size=5),
        "wrn28_10": ModelFacts("superconv_ray.models.wide_resnet:wrn28_10", min_size=5),
    }
)
"""This package's own networks by name."""

TORCHVISION = "torchvision:"
"""Prefix of the names of torchvision's classifiers, such as "torchvision:resnet18"."""


@cache
def model_choices(like: str) -> Mapping[str, ModelFacts]:
    """Return the networks that a name may mean: torchvision's if it has their prefix, or `MODELS`.

    Torchvision, and with it torch, is imported only for a name with the prefix.
    """
    if not like.startswith(TORCHVISION):
        return MODELS
    from superconv_ray.models import torchvision_models

    return {
        TORCHVISION + name: ModelFacts(f"{torchvision_models.__name__}:{name}", min_size=1)
        for name in torchvision_models.torchvision_names()
    }


def names_to_choose_from(like: str) -> list[str]:
    """Return the names in `model_choices` for a message, and that torchvision has others."""
    others = [] if like.startswith(TORCHVISION) else [f"{TORCHVISION}NAME"]
    return [*model_choices(like), *others]


_SIGNATURE = "(*, input_shape: tuple[int, ...], classes: int, dropout: float) -> nn.Module"


def build_model(
    model: str | Callable[..., nn.Module],
    *,
    input_shape: tuple[int, ...],
    classes: int,
    dropout: float,
) -> nn.Module:
    """Build a built-in network by name, or the user's own model by calling it.

    Weights are drawn from torch's current default generator, which the caller seeds.

    Args:
        model: a name in `MODELS`, the name of a torchvision classifier such as
            "torchvision:resnet18", or a callable that takes `input_shape`, `classes` and `dropout`
            as keywords.
        input_shape: (channels, height, width) of one image; or (channels, depth, height, width) or
            (features,), which only the user's own models take.
        classes: number of outputs, at least 2.
        dropout: probability of dropping a unit, in [0, 1); each network says where it drops.

    Returns:
        A module from inputs (n, *input_shape) to logits (n, classes).

    Raises:
        ValueError: an unknown name, or images that are too small for a built-in network.
        TypeError: a callable that does not take the three keywords, or returns no `nn.Module`.
    """
    arguments = {"input_shape": input_shape, "classes": classes, "dropout": dropout}
    if not isinstance(model, str):
        return _build_own(model, arguments)
    choices = model_choices(model)
    if model not in choices:
        near = get_close_matches(model, choices, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"model must be one of {', '.join(map(repr, names_to_choose_from(model)))} or a "
            f"callable, got {model!r}{hint}"
        )
    return _build_builtin(model, choices[model], arguments)


def _build_builtin(name: str, facts: ModelFacts, arguments: Mapping[str, Any]) -> nn.Module:
    shape = arguments["input_shape"]
    if len(shape) != 3:
        raise ValueError(
            f"input_shape must be (channels, height, width) for model {name!r}, got {shape}"
        )
    if min(shape[1:]) < facts.min_size:
        raise ValueError(
            f"input_shape must be at least {facts.min_size}x{facts.min_size} pixels "
            f"for model {name!r}, got {shape[1]}x{shape[2]}"
        )
    build: Callable[..., nn.Module] = pkgutil.resolve_name(facts.target)
    return build(**arguments)


def is_built(model: object) -> bool:
    """Whether a model is a module already, and not what builds one; imports no torch."""
    return any(kind.__module__ == "torch.nn.modules.module" for kind in type(model).__mro__)


def _build_own(model: Callable[..., nn.Module], arguments: Mapping[str, Any]) -> nn.Module:
    from torch import nn

    if is_built(model) or not callable(model):
        kind = "a module that is already built" if is_built(model) else repr(model)
        raise TypeError(f"model must be a name or a callable {_SIGNATURE}, got {kind}")
    _check_signature(model, arguments)
    built: object = model(**arguments)
    if not isinstance(built, nn.Module):
        raise TypeError(
            f"model {_name(model)} must return a torch.nn.Module, got {type(built).__name__}"
        )
    return built


def _check_signature(model: Callable[..., object], arguments: Mapping[str, Any]) -> None:
    # Checked before the call, so that a TypeError inside the callable keeps its own message.
    try:
        signature = inspect.signature(model)
    except ValueError:  # some callables written in C have no signature
        return
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise TypeError(
            f"model {_name(model)} must accept {_SIGNATURE}, got {signature}: {error}"
        ) from None


def _name(model: Callable[..., object]) -> str:
    return getattr(model, "__qualname__", None) or repr(model)
