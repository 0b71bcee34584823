"""Build a trial's model."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from superconv_ray.data.seeds import derive_seed
from superconv_ray.data.streaming import Inputs
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.models import build_model
from superconv_ray.models.ghost_batch_norm import with_ghost_batches
from superconv_ray.training.batch_norm import batch_norms
from superconv_ray.training.optimizers import trainable
from superconv_ray.training.randomness import own_randomness
from superconv_ray.training.team import Team

ModelSource = str | Callable[..., nn.Module]
"""Name of a built-in model, or a builder of the user's own."""


def build_trial_model(
    source: ModelSource,
    trial: CompleteTrial,
    inputs: Inputs,
    classes: int,
    team: Team | None = None,
) -> nn.Module:
    """Build the model of a trial on the device of its inputs, with weights from the trial's seed.

    Raises:
        ValueError, TypeError: The model cannot be built for this data set.
    """
    *space, channels = inputs.shape[1:]
    with own_randomness(inputs.device):
        torch.manual_seed(derive_seed(trial.seed, "initial weights", 0))
        model = build_model(
            source, input_shape=(channels, *space), classes=classes, dropout=trial.dropout
        )
    if not trainable(model):
        raise ValueError(f"model must have parameters to train, {source!r} has none")
    if trial.ghost_batch_size:
        model = with_ghost_batches(model, trial.ghost_batch_size)
    elif team:
        model = team.whole_batch_norms(model)
    for module in batch_norms(model):
        module.momentum = trial.bn_momentum
    return _channels_last(model.to(inputs.device))


_CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
"""Layout of a convolution's weights by their dimensions: that of the inputs, see `prepare`."""


def _channels_last(model: nn.Module) -> nn.Module:
    """Change layouts in place. `Module.to` takes one layout, and so not models that use both."""
    for parameter in model.parameters():
        if layout := _CHANNELS_LAST.get(parameter.ndim):
            parameter.data = parameter.data.contiguous(memory_format=layout)
    return model
