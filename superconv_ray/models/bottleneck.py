"""The networks for which the paper found no super-convergence: bottleneck ResNet and ResNeXt."""

from __future__ import annotations

from functools import partial

import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from superconv_ray.models.preactivation import PreactivationNet

__all__ = ["BottleneckResNet", "bottleneck56", "resnext56"]


class BottleneckResNet(PreactivationNet):
    """ResNet of bottleneck blocks, with batch norm and ReLU before each convolution.

    Inputs (n, channels, height, width), logits (n, classes); height and width at least 5. A 3x3
    convolution to 16 channels, three stages of blocks that end in 64, 128 and 256 channels, batch
    norm, ReLU, global average pooling (8x8 for 32x32 inputs), one fully connected layer.
    Parameters for (3, 32, 32) and 10 classes: bottleneck56 594,922; resnext56 591,978. Every
    convolution has a bias.

    The files have no dropout; here it follows the batch norms within a block, before the ReLU, but
    not the block's first.

    Source: architectures/bottleneckResnet56.prototxt and ResNeXt56.prototxt of
    lnsmith54/super-convergence (arXiv 1708.07120v3, section on negative results). `build_model`
    checks the arguments.

    Args:
        width: Channels inside the blocks of the first stage; doubled in each further stage.
        groups: Groups of the 3x3 convolutions; more than one makes a ResNeXt.
        blocks: Blocks in each stage; 6 in the files.
    """

    def __init__(
        self,
        *,
        width: int,
        groups: int,
        blocks: int = 6,
        input_shape: tuple[int, ...],
        classes: int,
        dropout: float = 0.0,
    ) -> None:
        conv = nn.Conv2d(input_shape[0], 16, 3, padding=1)
        made, before = [], 16
        for stage in range(3):
            inside, out = 2**stage * width, 2**stage * 64
            for block in range(blocks):
                stride = 2 if stage and not block else 1
                made.append(_Bottleneck(before, inside, out, stride, groups, dropout))
                before = out
        super().__init__(conv, made, before, classes)


bottleneck56 = partial(BottleneckResNet, width=16, groups=1)
resnext56 = partial(BottleneckResNet, width=32, groups=32)


class _Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, each after batch norm and ReLU, added to the input.

    (n, before, h, w) to (n, out, ceil(h/stride), ceil(w/stride)). Where the width changes, a 1x1
    convolution projects the input itself, without batch norm.
    """

    def __init__(
        self, before: int, inside: int, out: int, stride: int, groups: int, dropout: float
    ) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(before)
        self.conv1 = nn.Conv2d(before, inside, 1, stride=stride)
        self.bn2 = nn.BatchNorm2d(inside)
        self.dropout2 = nn.Dropout(dropout) if dropout else nn.Identity()
        self.conv2 = nn.Conv2d(inside, inside, 3, padding=1, groups=groups)
        self.bn3 = nn.BatchNorm2d(inside)
        self.dropout3 = nn.Dropout(dropout) if dropout else nn.Identity()
        self.conv3 = nn.Conv2d(inside, out, 1)
        self.project = None if before == out else nn.Conv2d(before, out, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        inside = self.conv1(F.relu_(self.bn1(x)))
        inside = self.conv2(F.relu_(self.dropout2(self.bn2(inside))))
        added: Tensor = self.conv3(F.relu_(self.dropout3(self.bn3(inside))))
        return added.add_(x if self.project is None else self.project(x))
