"""Models that benchmarks share."""

from __future__ import annotations

from torch import Tensor, nn


class Linear(nn.Module):
    """A very small model with batch norm and dropout."""

    def __init__(self, *, input_shape: tuple[int, ...], classes: int, dropout: float) -> None:
        super().__init__()
        channels, height, width = input_shape
        self.norm = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(channels * height * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.linear(self.dropout(self.norm(x)).flatten(1))
        return logits


class Perceptron(nn.Module):
    """One hidden layer of 64 ReLUs, without batch norm: large learning rates make it diverge."""

    def __init__(self, *, input_shape: tuple[int, ...], classes: int, dropout: float) -> None:
        super().__init__()
        channels, height, width = input_shape
        self.hidden = nn.Linear(channels * height * width, 64)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.linear(self.dropout(self.hidden(x.flatten(1)).relu()))
        return logits
