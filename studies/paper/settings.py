"""What the studies of this folder share: their two scales, and the paper's main experiment."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

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
            data_count=6_000,
            model="resnet8_half_size",
            batch_size=128,
            weight_decay=1e-4,
        ),
    }
)
"""ResNet-56 on CIFAR-10 as in the ICLR submission of arXiv 1708.07120, and its small stand-in."""

DIGITS = Trial(dataset="digits", model="small_cnn", batch_size=32, weight_decay=1e-4)
"""1,437 images of 8 x 8 pixels and a network whose step takes milliseconds, for large designs."""
