"""Losses of trials: what training minimizes, and beyond which value a run has diverged."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

from superconv_ray.design.own_functions import OwnFunction
from superconv_ray.design.trial import CompleteTrial

DIVERGENCE_FACTOR = 10.0
"""A run has diverged if its loss is not finite, or is this many times that of zero outputs."""
LIMIT_COUNT = 1_000
"""Largest number of training samples for the loss of zero outputs."""


class Loss:
    """The loss of a trial: of outputs [n, k] and targets, which are classes [n] or floats [n, k].

    Cross-entropy is computed in the run's precision, as torch's autocast chooses. Other losses, and
    so the user's own, get outputs in float32.

    Args:
        trial: Complete settings.
    """

    def __init__(self, trial: CompleteTrial) -> None:
        self._cross_entropy: Callable[..., Tensor] | None = None
        self._function: Callable[[Tensor, Tensor], Tensor]
        if isinstance(trial.loss, OwnFunction):
            self._function = partial(_own_mean, trial.loss)
        elif trial.loss in _MEANS:
            self._function = _MEANS[trial.loss]
        else:
            smoothing = trial.label_smoothing or 0.0
            self._cross_entropy = partial(F.cross_entropy, label_smoothing=smoothing)

    def mean(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean over the samples, to train on."""
        if self._cross_entropy:
            return self._cross_entropy(outputs, targets)
        with torch.autocast(outputs.device.type, enabled=False):
            return self._function(outputs.float(), targets)

    def total(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Sum over the samples, to average over several batches."""
        if self._cross_entropy:
            return self._cross_entropy(outputs, targets, reduction="sum")
        return self.mean(outputs, targets) * len(outputs)

    def limit(self, targets: Tensor, outputs: int) -> float:
        """The loss beyond which a run has diverged: `DIVERGENCE_FACTOR` times that of zero outputs.

        Zeros are what a network knows before it has learned: for cross-entropy they are a guess
        among all classes, ln(classes), for "bce" ln 2, for "mse" the mean square of the targets. If
        the loss of zeros is not finite and > 0, there is no limit: only a loss that is not finite
        ends the run.

        Args:
            targets: Of training samples.
            outputs: Number of outputs of the model.
        """
        if self._cross_entropy:
            guess = math.log(outputs)
        else:
            zeros = torch.zeros(len(targets), outputs, device=targets.device)
            guess = float(self._function(zeros, targets))
        return DIVERGENCE_FACTOR * guess if 0 < guess < math.inf else math.inf


_MEANS: dict[Any, Callable[[Tensor, Tensor], Tensor]] = {
    "bce": F.binary_cross_entropy_with_logits,
    "mse": F.mse_loss,
}
"""Built-in losses that are means over samples and outputs."""


def _own_mean(own: OwnFunction, outputs: Tensor, targets: Tensor) -> Tensor:
    """Call the user's loss, and check what it returns."""
    value: Any = own.function(outputs, targets)
    if isinstance(value, Tensor) and not value.ndim:
        return value
    is_tensor = isinstance(value, Tensor)
    found = f"shape {list(value.shape)}" if is_tensor else f"a {type(value).__name__}"
    raise ValueError(
        f"loss {str(own)!r} must return the mean loss as a scalar tensor, got {found} for outputs "
        f"{list(outputs.shape)} and targets {list(targets.shape)}"
    )
