"""Batch norm over the batch of all processes that train a trial together."""

from __future__ import annotations

from typing import cast

import torch
import torch.distributed as dist
import torch.distributed.nn.functional as differentiable
from torch import Tensor

from superconv_ray.models.replaced_batch_norm import ReplacedBatchNorm


class SynchronizedBatchNorm(ReplacedBatchNorm):
    """Batch norm that in training normalizes the batch of all processes, on CPUs and GPUs alike.

    Inputs (n, channels, ...) with the same n in every process. Torch's SyncBatchNorm needs GPUs.
    """

    def normalize(self, x: Tensor) -> Tensor:
        """See `ReplacedBatchNorm`."""
        dims = [0, *range(2, x.ndim)]
        values = x.to(torch.promote_types(x.dtype, torch.float32))
        variance, mean = torch.var_mean(values, dims, correction=0)
        size = dist.get_world_size()
        whole_mean = _sum(mean) / size
        # Around the mean of all: squares of the means would cancel.
        spread = _sum(variance + (mean - whole_mean).square()) / size
        count = size * values.numel() // self.num_features
        self.follow(whole_mean, spread * (count / (count - 1)))
        shape = (1, -1, *(1,) * (x.ndim - 2))
        scale = torch.rsqrt(spread + self.eps)
        y: Tensor = (values - whole_mean.view(shape)) * scale.view(shape)
        if self.affine:
            y = y * self.weight.view(shape) + self.bias.view(shape)
        return y.to(x.dtype)


def _sum(parts: Tensor) -> Tensor:
    """Add up tensors of all processes; gradients are added up in the backward pass."""
    return cast("Tensor", differentiable.all_reduce(parts))  # type: ignore[no-untyped-call]
