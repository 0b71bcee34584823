"""What the studies of this folder share: their two scales, and the paper's main experiment."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

from superconv_ray import Trial
from superconv_ray.models.resnet import ResNet

Scale = Literal["laptop", "paper"]
"""A size that two cores finish within an hour, or that of the publication."""


class ResNet8HalfSize(ResNet):
    """ResNet-8 on images of half the height and width, which takes a quarter of the time."""

    def __init__(self, *, input_shape: tuple[int, ...], classes: int, dropout: float = 0.0) -> None:
        super().__init__(depth=8, input_shape=input_shape, classes=classes, dropout=dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (n, classes) of inputs (n, channels, height, width)."""
        return super().forward(F.avg_pool2d(x, 2))


MODELS = {"resnet8_half_size": ResNet8HalfSize}
"""Networks of the laptop scale that the package does not have."""

BASE: Mapping[Scale, Trial] = MappingProxyType(
    {
        "paper": Trial(
            dataset="cifar10",
            augment="flip",
            model="resnet56",
            batch_size=1000,
            ghost_batch_size=125,  # batch norm over the share of each of the author's 8 GPUs
            bn_momentum_steps=500,
            lr_placement="inside",  # as Caffe does
            weight_decay=1e-4,
        ),
        "laptop": Trial(
            dataset="fashion_mnist",
            data_count=3_000,
            model="resnet8_half_size",
            batch_size=64,
            weight_decay=1e-4,
            eval_interval=1_000_000,  # only final accuracies are compared
        ),
    }
)
"""ResNet-56 on CIFAR-10 as in the ICLR submission of arXiv 1708.07120, and its small stand-in."""

ONE_CYCLE: Mapping[Scale, Mapping[str, Any]] = MappingProxyType(
    {
        "paper": {"policy": "triangular", "max_lr": 3.0, "div_factor": 30.0, "momentum": 0.9},
        "laptop": {
            "policy": "one_cycle",
            "max_lr": 1.0,
            "momentum": 0.95,
            "min_momentum": 0.85,
        },
    }
)
"""The cycle of the ICLR submission, which has neither tail nor cyclical momentum; 1cycle."""

STEP: Mapping[Scale, Mapping[str, Any]] = MappingProxyType(
    {
        scale: {
            "policy": "piecewise",
            "max_lr": max_lr,
            "milestones": (0.625, 0.875),
            "momentum": 0.9,
        }
        for scale, max_lr in (("paper", 0.35), ("laptop", 0.1))
    }
)
"""The step schedule that is compared with it: drops by ten at 50,000 and 70,000 of 80,000."""

SHORT: Mapping[Scale, int] = MappingProxyType({"paper": 10_000, "laptop": 150})
LONG: Mapping[Scale, int] = MappingProxyType({"paper": 80_000, "laptop": 1_200})
"""Iterations of the cycle and of the step schedule in the main experiment."""

DIGITS = Trial(dataset="digits", model="small_cnn", batch_size=32, weight_decay=1e-4)
"""1,437 images of 8 x 8 pixels and a network whose step takes milliseconds, for large designs."""
