"""Wide residual networks: that of the author's CIFAR-10 experiments, and WRN-28-10."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from superconv_ray.models.initialization import initialize_as_caffe
from superconv_ray.models.preactivation import PreactivationNet

__all__ = ["Wide32", "WideResNet", "wrn28_10"]


class Wide32(nn.Module):
    """The wide ResNet of depth 32 with which the CIFAR-10 results of 1708.07120v3 were made.

    Inputs (n, channels, height, width), logits (n, classes); height and width at least 5. A 3x3
    convolution to 16 channels, three stages of 5 blocks at 16, 64 and 256 channels, global average
    pooling, one fully connected layer. No ReLU follows a sum. 5,903,626 parameters for (3, 32, 32)
    and 10 classes, among them biases of convolutions, which batch norm cancels.

    The file has no dropout; here it follows both batch norms of a block, as in `ResNet`.

    Source: Cifar/architectures/wide32cifar.prototxt of lnsmith54/hyperParam1. `build_model` checks
    the arguments.
    """

    def __init__(self, *, input_shape: tuple[int, ...], classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.stem = _normalized(nn.Conv2d(input_shape[0], 16, 3, padding=1))
        widths = [16] * 6 + [64] * 5 + [256] * 5
        self.blocks = nn.Sequential(
            *(_PlainBlock(width, out, dropout) for width, out in pairwise(widths))
        )
        self.fc = nn.Linear(256, classes)
        initialize_as_caffe(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (n, classes) of inputs (n, channels, height, width)."""
        x = self.blocks(F.relu_(self.stem(x)))
        logits: Tensor = self.fc(F.avg_pool2d(x, x.shape[2:]).flatten(1))
        return logits


class _PlainBlock(nn.Module):
    """Two normalized 3x3 convolutions, added to their input without a ReLU after the sum.

    (n, width, h, w) to the same shape. To another width the size is halved, rounded up, and a
    normalized 2x2 convolution of stride 2 projects the input.
    """

    def __init__(self, width: int, out: int, dropout: float) -> None:
        super().__init__()
        self.conv1 = _normalized(
            nn.Conv2d(width, out, 3, stride=1 if width == out else 2, padding=1)
        )
        self.dropout1 = nn.Dropout(dropout) if dropout else nn.Identity()
        self.conv2 = _normalized(nn.Conv2d(out, out, 3, padding=1))
        self.dropout2 = nn.Dropout(dropout) if dropout else nn.Identity()
        self.project = None if width == out else _normalized(nn.Conv2d(width, out, 2, stride=2))

    def forward(self, x: Tensor) -> Tensor:
        out = self.dropout1(self.conv1(x))
        out = self.dropout2(self.conv2(F.relu_(out)))
        if self.project is not None:
            # Sizes are even in the file. Odd ones get a border, so that both paths have one size.
            x = self.project(F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2)))
        added: Tensor = out.add_(x)
        return added


class WideResNet(PreactivationNet):
    """Wide residual network WRN-depth-factor, with batch norm and ReLU before each convolution.

    Inputs (n, channels, height, width), logits (n, classes); height and width at least 5. A 3x3
    convolution to 16 channels, three stages of (depth - 4) / 6 blocks at 16, 32 and 64 times
    `factor` channels, global average pooling, one fully connected layer. Dropout lies between the
    two convolutions of a block. 36,479,194 parameters at depth 28 and factor 10, for (3, 32, 32)
    and 10 classes.

    Source: Zagoruyko & Komodakis, arXiv 1605.07146; weights as `PreactivationNet`. `build_model`
    checks the arguments.

    Raises:
        ValueError: `depth` is not 6n+4 with n at least 1.
    """

    def __init__(
        self,
        *,
        depth: int,
        factor: int,
        input_shape: tuple[int, ...],
        classes: int,
        dropout: float = 0.0,
    ) -> None:
        if depth < 10 or depth % 6 != 4:
            raise ValueError(f"depth must be 6n+4 with n >= 1, such as 16 or 28, got {depth}")
        conv = nn.Conv2d(input_shape[0], 16, 3, padding=1, bias=False)
        blocks, width = [], 16
        for stage in range(3):
            for block in range(depth // 6):
                out = 2**stage * 16 * factor
                stride = 2 if stage and not block else 1
                blocks.append(_WideBlock(width, out, stride, dropout))
                width = out
        super().__init__(conv, blocks, width, classes)


wrn28_10 = partial(WideResNet, depth=28, factor=10)


class _WideBlock(nn.Module):
    """Batch norm, ReLU and a 3x3 convolution, twice, added to the input.

    (n, width, h, w) to (n, out, ceil(h/stride), ceil(w/stride)). Where the width changes, a 1x1
    convolution projects the normalized input.
    """

    def __init__(self, width: int, out: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(width)
        self.conv1 = nn.Conv2d(width, out, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.project = None if width == out else nn.Conv2d(width, out, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        normalized = F.relu_(self.bn1(x))
        out = self.dropout(F.relu_(self.bn2(self.conv1(normalized))))
        out = self.conv2(out)
        added: Tensor = out.add_(x if self.project is None else self.project(normalized))
        return added


def _normalized(conv: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels))
