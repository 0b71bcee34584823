"""Batch-norm statistics: their momentum, and their re-estimation for an evaluation."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from torch import nn


def batch_norms(model: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """The batch-norm modules of a model, including ghost batch norm."""
    return [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


@contextlib.contextmanager
def reestimated_statistics(model: nn.Module, show_samples: Callable[[], None]) -> Iterator[bool]:
    """Let a model evaluate with plain averages over training samples as its BN statistics.

    Stale running statistics, rather than poor generalization, can limit a test accuracy: see the
    published limited-data baseline. Afterwards the running statistics are as they were before, and
    the model is in training mode.

    Args:
        model: The model to evaluate.
        show_samples: Computes the model on the samples to average over, in batches.

    Yields:
        Whether the model has running statistics.
    """
    norms = [module for module in batch_norms(model) if module.track_running_stats]
    kept = [
        (module.momentum, {k: v.clone() for k, v in module.state_dict().items()})
        for module in norms
    ]
    try:
        model.eval()  # without dropout
        for module in norms:
            module.reset_running_stats()
            module.momentum = None  # a plain average over batches
            module.train()
        if norms:
            show_samples()
        yield bool(norms)
    finally:
        for module, (momentum, state) in zip(norms, kept, strict=True):
            module.load_state_dict(state)
            module.momentum = momentum
        model.train()
