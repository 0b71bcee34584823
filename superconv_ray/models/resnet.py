"""The residual networks for CIFAR of Smith & Topin, arXiv 1708.07120."""

from __future__ import annotations

from functools import partial

import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from superconv_ray.models.initialization import initialize_as_caffe

__all__ = [
    "Block",
    "ResNet",
    "resnet8",
    "resnet20",
    "resnet32",
    "resnet44",
    "resnet56",
    "resnet110",
]


class ResNet(nn.Module):
    """ResNet-(6n+2) for small images, in the variant that super-convergence was found with.

    Inputs (n, channels, height, width), logits (n, classes); height and width at least 5. A 3x3
    convolution to 16 channels, three stages of n blocks at 16, 32 and 64 channels, global average
    pooling (8x8 for 32x32 inputs), one fully connected layer. Learnable parameters for (3, 32, 32)
    and 10 classes: depth 20 224,042; 56 808,682; 110 1,685,642. Every convolution has a bias,
    although batch norm cancels it: those counts include them.

    Source: architectures/Resnet{20,56,110}Cifar.prototxt and Resnet56Dropout.prototxt of
    lnsmith54/super-convergence; weights as `initialize_as_caffe`. `build_model` checks the
    arguments.

    Raises:
        ValueError: `depth` is not 6n+2 with n at least 1.
    """

    def __init__(
        self, *, depth: int, input_shape: tuple[int, ...], classes: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            raise ValueError(f"depth must be 6n+2 with n >= 1, such as 20 or 56, got {depth}")
        n = depth // 6
        self.conv = nn.Conv2d(input_shape[0], 16, 3, padding=1)
        self.bn = nn.BatchNorm2d(16)
        self.stage1 = _stage(16, n, dropout, downsample=False)
        self.stage2 = _stage(32, n, dropout, downsample=True)
        self.stage3 = _stage(64, n, dropout, downsample=True)
        self.fc = nn.Linear(64, classes)
        initialize_as_caffe(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (n, classes) of inputs (n, channels, height, width)."""
        x = F.relu_(self.bn(self.conv(x)))
        x = self.stage3(self.stage2(self.stage1(x)))
        # Not adaptive_avg_pool2d: its gradient is not channels_last and slows what comes before it.
        x = F.avg_pool2d(x, x.shape[2:]).flatten(1)
        logits: Tensor = self.fc(x)
        return logits


resnet8 = partial(ResNet, depth=8)
resnet20 = partial(ResNet, depth=20)
resnet32 = partial(ResNet, depth=32)
resnet44 = partial(ResNet, depth=44)
resnet56 = partial(ResNet, depth=56)
resnet110 = partial(ResNet, depth=110)


class Block(nn.Module):
    """Two 3x3 convolutions with batch norm, added to their input; ReLU after the sum.

    (n, width, h, w) to the same shape; with `downsample` to (n, 2 * width, ceil(h/2), ceil(w/2)):
    the first convolution has stride 2, the shortcut is average-pooled, and zero channels are
    appended after the ReLU, so that both convolutions keep the input's width. Dropout follows both
    batch norms: the first before the ReLU, the second before the sum.

    Source: as `ResNet`.
    """

    def __init__(self, width: int, *, downsample: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.downsample = downsample
        self.conv1 = nn.Conv2d(width, width, 3, stride=2 if downsample else 1, padding=1)
        self.bn1 = nn.BatchNorm2d(width)
        self.dropout1 = nn.Dropout(dropout) if dropout else nn.Identity()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(width)
        self.dropout2 = nn.Dropout(dropout) if dropout else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(n, width, h, w) to the same shape, or twice as wide and half the size."""
        # In place is safe: neither batch norm nor dropout needs its own output for its gradient.
        out = F.relu_(self.dropout1(self.bn1(self.conv1(x))))
        out = self.dropout2(self.bn2(self.conv2(out)))
        if not self.downsample:
            return F.relu_(out.add_(x))
        out = F.relu_(out.add_(_half_size(x)))
        return F.pad(out, (0, 0, 0, 0, 0, out.shape[1]))


def _half_size(x: Tensor) -> Tensor:
    """Average over 3x3 windows, 2 apart: (n, c, h, w) to (n, c, ceil(h/2), ceil(w/2)).

    For even sizes this is Caffe's pooling, unpadded and rounded up: windows start at 0, 2, 4, ...
    and the last one, which hangs over the edge, averages the pixels it has. For odd sizes Caffe's
    pooling gives (h-1)/2 and does not fit the convolution's (h+1)/2 (Caffe refuses such a
    network). There the windows are moved by one, to where the convolution's are, and again average
    the pixels they have.
    """
    return F.avg_pool2d(
        x,
        kernel_size=3,
        stride=2,
        padding=(x.shape[2] % 2, x.shape[3] % 2),
        ceil_mode=True,
        count_include_pad=False,
    )


def _stage(width: int, blocks: int, dropout: float, *, downsample: bool) -> nn.Sequential:
    if downsample:
        first = Block(width // 2, downsample=True, dropout=dropout)
    else:
        first = Block(width, dropout=dropout)
    return nn.Sequential(first, *(Block(width, dropout=dropout) for _ in range(blocks - 1)))
