"""Processes that train one trial together, each on an equal part of every batch.

The trial stays what it is: its batch is the global one, and a step computes the same sums however
many processes share it, in another order of additions. Weights and optimizers are the same in all
processes.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from superconv_ray.design.trial import Trial
from superconv_ray.models.ghost_batch_norm import GhostBatchNorm
from superconv_ray.models.replaced_batch_norm import replace_batch_norms
from superconv_ray.training.synchronized_batch_norm import SynchronizedBatchNorm


class Team:
    """A team of one process: this one.

    Attributes:
        rank: Place of this process; the first is 0.
        size: Number of processes.
    """

    rank, size = 0, 1

    def part(self, batch: Tensor) -> Tensor:
        """Return this process's part of a batch."""
        return batch

    def whole_batch_norms(self, model: nn.Module) -> nn.Module:
        """Let batch norms normalize whole batches, not the parts."""
        return model

    def replica(self, model: nn.Module) -> nn.Module:
        """Return what computes the model and, in its backward pass, averages the gradients."""
        return model

    def total(self, sums: Tensor) -> Tensor:
        """Add up what each process has summed, in place."""
        return sums

    def decides(self, word: bool) -> bool:
        """Return the word of the first process."""
        return word

    def share_statistics(self, model: nn.Module) -> None:
        """Let running batch-norm statistics be those of whole batches."""


class DistributedTeam(Team):
    """This process among several that have joined torch's default process group.

    Methods are collective: all processes must call them in the same order.

    Args:
        device: Where this process computes.
    """

    def __init__(self, device: torch.device) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self._device = device

    def part(self, batch: Tensor) -> Tensor:  # noqa: D102
        return batch.chunk(self.size)[self.rank]

    def whole_batch_norms(self, model: nn.Module) -> nn.Module:  # noqa: D102
        return replace_batch_norms(model, SynchronizedBatchNorm, "a trial of several processes")

    def replica(self, model: nn.Module) -> nn.Module:  # noqa: D102
        # Buffers are equal already, or shared when they are read: see share_statistics.
        return DistributedDataParallel(model, broadcast_buffers=False)

    def total(self, sums: Tensor) -> Tensor:  # noqa: D102
        dist.all_reduce(sums)
        return sums

    def decides(self, word: bool) -> bool:  # noqa: D102
        answer = torch.tensor(float(word), device=self._device)
        dist.broadcast(answer, src=0)
        return bool(answer.item())

    def share_statistics(self, model: nn.Module) -> None:  # noqa: D102
        # Statistics move linearly, by what each process sees: their mean is what one would have.
        for module in model.modules():
            if isinstance(module, GhostBatchNorm):
                for statistic in (module.running_mean, module.running_var):
                    if statistic is not None:
                        dist.all_reduce(statistic.div_(self.size))


def check_parts(trials: Iterable[Trial], size: int) -> None:
    """Check that batches can be shared equally among the processes of a trial.

    Raises:
        ValueError: A batch, or the ghost batches in it, cannot be shared.
    """
    for trial in trials:
        if trial.batch_size % size:
            raise ValueError(
                f"batch_size must be a multiple of the processes of a trial ({size}), "
                f"got {trial.batch_size}"
            )
        part = trial.batch_size // size
        if trial.ghost_batch_size is not None and part % trial.ghost_batch_size:
            raise ValueError(
                f"ghost_batch_size must divide each process's part of a batch "
                f"({trial.batch_size} / {size} = {part}), got {trial.ghost_batch_size}"
            )
