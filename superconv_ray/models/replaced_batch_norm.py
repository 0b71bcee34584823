"""Batch norms that take the place of a model's own, and normalize other samples in training."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

_REPLACED = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class ReplacedBatchNorm(_BatchNorm):
    """A batch norm whose training is defined by `normalize`.

    In evaluation mode it is a plain batch norm. With momentum None, too, which averages plainly
    over batches: this is how statistics are re-estimated.

    Args:
        norm: The batch norm to replace; its parameters and statistics are shared, not copied.
    """

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__(
            norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats
        )
        self.weight, self.bias = norm.weight, norm.bias
        self.running_mean, self.running_var = norm.running_mean, norm.running_var
        self.num_batches_tracked = norm.num_batches_tracked

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, ...) to the same shape."""
        if not self.training or self.momentum is None:
            return super().forward(x)
        return self.normalize(x)

    def normalize(self, x: Tensor) -> Tensor:
        """Normalize a training batch, and let the running statistics `follow`."""
        raise NotImplementedError

    @torch.no_grad()
    def follow(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics by the momentum.

        Args:
            mean: Of each channel, [channels].
            variance: Unbiased, [channels].
        """
        if self.running_mean is None or self.running_var is None:
            return
        assert self.momentum is not None
        assert self.num_batches_tracked is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
        self.num_batches_tracked.add_(1)

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - torch's name
        """Accept all shapes: torch checks them only in the classes that this one replaces."""


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
