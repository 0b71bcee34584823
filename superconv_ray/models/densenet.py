"""DenseNet-40 as in the author's CIFAR-10 experiments."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from superconv_ray.models.preactivation import PreactivationNet

__all__ = ["DenseNet40"]

GROWTH = 12
"""Channels that each layer adds (k)."""


class DenseNet40(PreactivationNet):
    """DenseNet of depth 40 with growth rate 12, without bottlenecks and compression.

    Inputs (n, channels, height, width), logits (n, classes); height and width at least 8. A 3x3
    convolution to 16 channels, three stages of 12 layers, each of which appends 12 channels, with
    a 1x1 convolution and 2x2 average pooling between stages; then batch norm, ReLU, global average
    pooling, one fully connected layer. 1,019,722 parameters for (3, 32, 32) and 10 classes. Dropout
    (0.2 in the file) follows every convolution but the first.

    Source: Cifar/architectures/genDensenet40.prototxt of lnsmith54/hyperParam1; Huang et al., arXiv
    1608.06993. `build_model` checks the arguments.
    """

    def __init__(self, *, input_shape: tuple[int, ...], classes: int, dropout: float = 0.0) -> None:
        width = 16
        conv = nn.Conv2d(input_shape[0], width, 3, padding=1, bias=False)
        blocks: list[nn.Module] = []
        for stage in range(3):
            if stage:
                blocks += [_Convolution(width, width, 1, dropout), nn.AvgPool2d(2)]
            for _ in range(12):
                blocks.append(_Layer(width, dropout))
                width += GROWTH
        super().__init__(conv, blocks, width, classes)


class _Convolution(nn.Module):
    """Batch norm, ReLU, a convolution that keeps the size, and dropout."""

    def __init__(self, width: int, out: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(width)
        self.conv = nn.Conv2d(width, out, kernel, padding=kernel // 2, bias=False)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.dropout(self.conv(F.relu_(self.bn(x))))
        return out


class _Layer(_Convolution):
    """Append GROWTH channels, computed from all channels so far."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__(width, GROWTH, 3, dropout)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, super().forward(x)], dim=1)
