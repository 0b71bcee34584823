"""Random augmentation by the user's own code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class OwnAugmentation:
    """A function of a batch, or a pipeline of torchvision's transforms.

    Both draw from torch's default generators, which are seeded for each step.

    Attributes:
        name: Its name, for messages.
        function: A function gets standardized float32 batches: [b, c, ...], or [b, f]. A pipeline
            gets one image [c, h, w] at a time, as the data set stores it, because torchvision
            changes all images of a batch alike.
        is_pipeline: Which of the two it is.
    """

    name: str
    function: Callable[[Tensor], Tensor]
    is_pipeline: bool

    def stored(self, inputs: Tensor) -> Tensor:
        """Augment inputs as data sets store them, [b, ..., c] or [b, f]; functions do not."""
        if not self.is_pipeline:
            return inputs
        images = inputs.movedim(-1, 1)
        changed = torch.stack([self.function(image) for image in images])
        return self._checked(images, changed).movedim(1, -1)

    def standardized(self, x: Tensor) -> Tensor:
        """Augment a standardized batch; pipelines do not."""
        return x if self.is_pipeline else self._checked(x, self.function(x))

    def _checked(self, before: Tensor, after: Tensor) -> Tensor:
        if isinstance(after, Tensor) and (after.shape, after.dtype) == (before.shape, before.dtype):
            return after
        found = (
            f"{list(after.shape)} of {after.dtype}"
            if isinstance(after, Tensor)
            else f"a {type(after).__name__}"
        )
        raise ValueError(
            f"augment {self.name!r} must keep shape and type, {list(before.shape)} of "
            f"{before.dtype}, got {found}"
        )
