"""Initial weights as in the author's Caffe files."""

from __future__ import annotations

from torch import nn

__all__ = ["initialize_as_caffe"]


def initialize_as_caffe(model: nn.Module) -> None:
    """Draw weights from Caffe's "msra" (convolutions) and "xavier" (fully connected layers).

    "msra" is normal with std sqrt(2 / fan_in) (He et al., arXiv 1502.01852, eq. 10), "xavier"
    uniform within sqrt(3 / fan_in). Biases become zero.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            # With gain 1 this bound is Caffe's sqrt(3 / fan_in).
            nn.init.kaiming_uniform_(module.weight, nonlinearity="linear")
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
