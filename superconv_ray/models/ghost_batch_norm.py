"""Batch norm over parts of a batch, as if each part were on its own device."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["GhostBatchNorm", "replace_batch_norms", "with_ghost_batches"]

_REPLACED = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class GhostBatchNorm(_BatchNorm):
    """Batch norm that in training normalizes every `group_size` successive samples by themselves.

    Inputs (n, channels, ...) as for batch norm, outputs of the same shape. If `group_size` does not
    divide n, the last group is smaller. Running statistics move once per batch, by `momentum`
    towards the mean over groups of the groups' means and unbiased variances, so that momentum means
    the same for groups of any size. With momentum None, which averages plainly over batches, whole
    batches are normalized: this is how statistics are re-estimated. In evaluation mode it is a
    plain batch norm.

    A loop over groups takes 1.2 to 2 times the time of batch norm over whole batches in
    channels_last, forward and backward on a CPU; folding groups into channels, 1.5 to 3 times.

    Source: Hoffer et al., arXiv 1705.08741, algorithm 1; there running statistics move once per
    group, so faster for smaller groups. Smith & Topin normalized the 125 samples on
    each of eight GPUs by themselves.

    Args:
        norm: The batch norm to replace; its parameters and statistics are shared, not copied.
        group_size: Samples in a group, at least 1.
    """

    def __init__(self, norm: _BatchNorm, group_size: int) -> None:
        super().__init__(
            norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats
        )
        self.group_size = group_size
        self.weight, self.bias = norm.weight, norm.bias
        self.running_mean, self.running_var = norm.running_mean, norm.running_var
        self.num_batches_tracked = norm.num_batches_tracked

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, ...) to the same shape."""
        if not self.training or self.momentum is None:
            return super().forward(x)
        groups = torch.split(x, self.group_size)
        means, variances = torch.zeros(
            (2, len(groups), self.num_features),
            dtype=torch.promote_types(x.dtype, torch.float32),
            device=x.device,
        )
        normalized = [
            # With momentum 1 the running statistics that it writes are the group's own.
            F.batch_norm(group, mean, variance, self.weight, self.bias, True, 1.0, self.eps)
            for group, mean, variance in zip(groups, means, variances, strict=True)
        ]
        self._follow(means.mean(0), variances.mean(0), self.momentum)
        return torch.cat(normalized)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, momentum: float) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance, momentum)
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - torch's name
        """Accept all shapes: torch checks them only in the classes that this one replaces."""


def with_ghost_batches(model: nn.Module, group_size: int) -> nn.Module:
    """Replace every batch norm of a model by a `GhostBatchNorm`; see `replace_batch_norms`."""
    return replace_batch_norms(
        model, lambda norm: GhostBatchNorm(norm, group_size), "ghost_batch_size"
    )


def replace_batch_norms(
    model: nn.Module, replacement: Callable[[_BatchNorm], nn.Module], needed_by: str
) -> nn.Module:
    """Replace every batch norm of a model, in place, and return the model.

    Only a model that is a batch norm itself is returned as another module. Parameters, their order,
    and the names in the state dictionary stay the same.

    Args:
        model: The model.
        replacement: Makes the module that takes the place of a batch norm.
        needed_by: What asks for it, for the message.

    Raises:
        ValueError: A batch norm is of a user's own class, which might do something else.
    """
    replacements: dict[nn.Module, nn.Module] = {}
    for name, module in model.named_modules():
        if not isinstance(module, _BatchNorm):
            continue
        if type(module) not in _REPLACED:
            raise ValueError(
                f"{needed_by} needs batch norms of class "
                f"{', '.join(kind.__name__ for kind in _REPLACED)}, but {name!r} of the model is "
                f"of class {type(module).__name__}"
            )
        replacements[module] = replacement(module)
    for parent in list(model.modules()):
        for name, child in parent._modules.items():
            if child in replacements:
                setattr(parent, name, replacements[child])
    return replacements.get(model, model)
