"""Torchvision's classifiers by name, made for any number of classes and for grey images."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torchvision.models as zoo
from torch import Tensor, nn

__all__ = ["build_torchvision_model", "torchvision_names"]


def __getattr__(name: str) -> Callable[..., nn.Module]:
    """Builder of a classifier by its name, such as `resnet18`."""
    if name not in torchvision_names():
        raise AttributeError(name)
    return partial(build_torchvision_model, name)


def torchvision_names() -> list[str]:
    """Names of torchvision's image classifiers, such as "resnet18"."""
    return sorted(zoo.list_models(module=zoo))


def build_torchvision_model(
    name: str, *, input_shape: tuple[int, ...], classes: int, dropout: float
) -> nn.Module:
    """Build a torchvision classifier with random initial weights.

    These networks take RGB images: a grey image is repeated in all three channels. Dropout is that
    of the network's own `nn.Dropout` layers, all of which get the given probability. Auxiliary
    heads (GoogLeNet, Inception) are left out. Vision transformers are made for the images' size.

    Args:
        name: One of `torchvision_names`.
        input_shape: (channels, height, width), with 1 or 3 channels.
        classes: Number of outputs.
        dropout: Probability of dropping a unit, in [0, 1).

    Raises:
        ValueError: Images with another number of channels, or that the network cannot be made for;
            or dropout for a network without such layers.
    """
    channels, height, width = input_shape
    if channels not in (1, 3):
        raise ValueError(
            f"model 'torchvision:{name}' needs images with 1 or 3 channels, got {channels}"
        )
    build = zoo.get_model_builder(name)
    settings: dict[str, Any] = {"weights": None, "num_classes": classes}
    if name.startswith("vit"):
        if height != width:
            raise ValueError(
                f"model 'torchvision:{name}' needs square images, got {height} x {width}"
            )
        settings["image_size"] = height
    elif name.startswith("maxvit"):
        settings["input_size"] = (height, width)
    elif name in ("googlenet", "inception_v3"):
        settings |= {"aux_logits": False, "init_weights": True}
    try:
        model: nn.Module = build(**settings)
    except (ValueError, RuntimeError, AssertionError) as error:
        raise ValueError(
            f"model 'torchvision:{name}' cannot be made for images of {height} x {width} pixels: "
            f"{error}"
        ) from None
    layers = [module for module in model.modules() if isinstance(module, nn.Dropout)]
    if dropout and not layers:
        raise ValueError(
            f"dropout must be 0 for model 'torchvision:{name}', which has no dropout layers, "
            f"got {dropout}"
        )
    for layer in layers:
        layer.p = dropout
    return model if channels == 3 else _Grey(model)


class _Grey(nn.Module):
    """Show a grey image (n, 1, h, w) to a network for RGB images."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.model(x.expand(-1, 3, -1, -1))
        return logits
