"""What the networks with batch norm and ReLU before each convolution have in common."""

from __future__ import annotations

from collections.abc import Iterable

import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from superconv_ray.models.initialization import initialize_as_caffe

__all__ = ["PreactivationNet"]


class PreactivationNet(nn.Module):
    """A convolution, blocks, batch norm, ReLU, global average pooling, a fully connected layer.

    Inputs (n, channels, height, width), logits (n, classes). Weights as `initialize_as_caffe`.

    Args:
        conv: The first convolution.
        blocks: What follows, each part with batch norm before its convolutions.
        width: Channels after the last block.
        classes: Number of outputs.
    """

    def __init__(
        self, conv: nn.Conv2d, blocks: Iterable[nn.Module], width: int, classes: int
    ) -> None:
        super().__init__()
        self.conv = conv
        self.blocks = nn.Sequential(*blocks)
        self.bn = nn.BatchNorm2d(width)
        self.fc = nn.Linear(width, classes)
        initialize_as_caffe(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (n, classes) of inputs (n, channels, height, width)."""
        x = F.relu_(self.bn(self.blocks(self.conv(x))))
        # Not adaptive_avg_pool2d: its gradient is not channels_last and slows what comes before it.
        logits: Tensor = self.fc(F.avg_pool2d(x, x.shape[2:]).flatten(1))
        return logits
