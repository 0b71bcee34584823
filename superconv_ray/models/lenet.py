"""LeNet as Caffe ships it, the network of the MNIST experiments."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

__all__ = ["LeNet"]


class LeNet(nn.Module):
    """Caffe's LeNet: two convolutions, each max-pooled, and two fully connected layers.

    Inputs (n, channels, height, width), logits (n, classes); height and width at least 13. 431,080
    parameters for (1, 28, 28) and 10 classes. The convolutions have no ReLU: the only one follows
    fc500.

    Caffe feeds pixel/256; inputs here are expected standardized, as for every other network. Caffe
    has no dropout either: here it follows the ReLU of fc500.

    Source: Caffe's examples/mnist/lenet_train_test.prototxt, used by Smith & Topin (arXiv
    1708.07120) for MNIST. Pooling sizes are rounded up, weights are Caffe's "xavier" (uniform
    within sqrt(3 / fan_in)), biases zero. `build_model` checks the arguments.
    """

    def __init__(self, *, input_shape: tuple[int, ...], classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        channels, height, width = input_shape
        self.conv1 = nn.Conv2d(channels, 20, 5)
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.fc1 = nn.Linear(50 * _after_both(height) * _after_both(width), 500)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.fc2 = nn.Linear(500, classes)
        for layer in (self.conv1, self.conv2, self.fc1, self.fc2):
            # With gain 1 this bound is Caffe's sqrt(3 / fan_in).
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="linear")
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (n, classes) of inputs (n, channels, height, width)."""
        x = F.max_pool2d(self.conv1(x), 2, ceil_mode=True)
        x = F.max_pool2d(self.conv2(x), 2, ceil_mode=True)
        x = F.relu_(self.fc1(x.flatten(1)))
        logits: Tensor = self.fc2(self.dropout(x))
        return logits


def _after_both(size: int) -> int:
    """Height or width after two convolutions of 5 without padding, each pooled by 2, rounded up."""
    for _ in range(2):
        size = (size - 4 + 1) // 2
    return size
