"""The order in which a run sees its training samples, as a pure function of the step."""

from __future__ import annotations

import torch
from torch import Tensor

from superconv_ray.data.seeds import derive_seed


class SampleOrder:
    """The samples of each training step: any step, in any order of calls.

    The samples are a stream of epochs, each a fresh permutation of the subset, cut into batches of
    exactly `batch_size`: nothing is dropped, and a batch may span several epochs. Permutations
    depend only on (seed, epoch) and are drawn on the CPU, so that runs with the same seed see the
    same order on every device and under every policy. A checkpoint need not hold any state of them.

    Args:
        indices: int64, the samples to train on.
        batch_size: Samples per batch, >= 1; may exceed the number of indices.
        seed: Seed of the order.
        device: Where batches of indices are wanted.

    Raises:
        ValueError: `batch_size` < 1, or no indices.
    """

    def __init__(
        self, indices: Tensor, *, batch_size: int, seed: int, device: torch.device
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be >= 1, got {batch_size}")
        if len(indices) == 0:
            raise ValueError("indices must not be empty")
        self._indices = indices.cpu()
        self._batch_size = batch_size
        self._seed = seed
        self._device = device
        self._generator = torch.Generator()
        self._epochs: dict[int, Tensor] = {}  # cache: the epochs of the last batch

    def batch(self, step: int) -> Tensor:
        """Return the samples of a step, int64 [batch_size].

        Raises:
            ValueError: `step` < 0.
        """
        if step < 0:
            raise ValueError(f"step must be >= 0, got {step}")
        size = len(self._indices)
        start, stop = step * self._batch_size, (step + 1) * self._batch_size
        first, last = start // size, (stop - 1) // size
        self._epochs = {
            epoch: self._epochs[epoch] if epoch in self._epochs else self._epoch(epoch)
            for epoch in range(first, last + 1)
        }
        parts = [
            order[max(start - epoch * size, 0) : stop - epoch * size]
            for epoch, order in self._epochs.items()
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _epoch(self, epoch: int) -> Tensor:
        self._generator.manual_seed(derive_seed(self._seed, "order", epoch))
        permutation = torch.randperm(len(self._indices), generator=self._generator)
        return self._indices[permutation].to(self._device)
