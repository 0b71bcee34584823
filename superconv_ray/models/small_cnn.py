"""A small network with batch norm, for examples and tests that should take seconds."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from superconv_ray.models.initialization import initialize_as_caffe

__all__ = ["SmallCNN"]


class SmallCNN(nn.Module):
    """Three 3x3 convolutions with batch norm and ReLU, at 16, 32 and 32 channels.

    Inputs (n, channels, height, width), logits (n, classes); height and width at least 4.
    Max-pooling by 2 follows the first convolution, global average pooling and dropout precede the
    fully connected layer. 14,458 parameters for (1, 8, 8) and 10 classes, the shape of
    scikit-learn's digits, which it is meant for. Pooling early and ending at 32 channels halves
    the time of a step against pooling after the second of 16, 32 and 64, at the same accuracy.

    Source: none, it is this project's own. Convolutions are without bias. Weights as
    `initialize_as_caffe`. `build_model` checks the arguments.
    """

    def __init__(self, *, input_shape: tuple[int, ...], classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(input_shape[0], 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(32)
        self.conv3 = nn.Conv2d(32, 32, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(32)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.fc = nn.Linear(32, classes)
        initialize_as_caffe(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (n, classes) of inputs (n, channels, height, width)."""
        x = F.max_pool2d(F.relu_(self.bn1(self.conv1(x))), 2)
        x = F.relu_(self.bn2(self.conv2(x)))
        x = F.relu_(self.bn3(self.conv3(x)))
        # Not adaptive_avg_pool2d: its gradient is not channels_last and slows what comes before it.
        x = F.avg_pool2d(x, x.shape[2:]).flatten(1)
        logits: Tensor = self.fc(self.dropout(x))
        return logits
