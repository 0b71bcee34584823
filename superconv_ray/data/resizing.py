"""Progressive resizing: training images that grow, or shrink, in the course of a run."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def size_at(step: int, steps: int, sizes: Sequence[int]) -> int:
    """Return the height and width of the images of a step; each size has an equal part of the run.

    Args:
        step: From 0 to steps - 1.
        steps: Of the run; at least as many as there are sizes.
        sizes: In pixels, in the order of their parts.
    """
    return sizes[step * len(sizes) // steps]


def resized(x: Tensor, size: int) -> Tensor:
    """Scale square images [b, c, h, h] to [b, c, size, size], channels_last.

    The filter is bilinear; where images shrink it is as wide as a new pixel (antialiasing), as in
    Pillow and torchvision.
    """
    if x.shape[-1] == size:
        return x
    small = nn.functional.interpolate(
        x, (size, size), mode="bilinear", align_corners=False, antialias=True
    )
    return small.contiguous(memory_format=torch.channels_last)
