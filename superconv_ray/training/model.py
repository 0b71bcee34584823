"""Build a trial's model, or check a model before anything is trained."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from superconv_ray.data.catalog import DatasetFacts
from superconv_ray.data.dataset import Dataset
from superconv_ray.data.seeds import derive_seed
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.models import build_model
from superconv_ray.models.ghost_batch_norm import with_ghost_batches
from superconv_ray.training.batch_norm import batch_norms
from superconv_ray.training.randomness import own_randomness

ModelSource = str | Callable[..., nn.Module]
"""Name of a built-in model, or a builder of the user's own."""


def build_trial_model(
    source: ModelSource, trial: CompleteTrial, inputs: torch.Tensor, classes: int
) -> nn.Module:
    """Build the model of a trial on the device of its inputs, with weights from the trial's seed.

    Raises:
        ValueError, TypeError: The model cannot be built for this data set.
    """
    shape = inputs.shape[1:]
    with own_randomness(inputs.device):
        torch.manual_seed(derive_seed(trial.seed, "initial weights", 0))
        model = build_model(
            source,
            input_shape=(shape[2], shape[0], shape[1]) if len(shape) == 3 else tuple(shape),
            classes=classes,
            dropout=trial.dropout,
        )
    if trial.ghost_batch_size:
        model = with_ghost_batches(model, trial.ghost_batch_size)
    for module in batch_norms(model):
        module.momentum = trial.bn_momentum
    return model.to(inputs.device).to(memory_format=torch.channels_last)


def check_model(source: ModelSource, dataset: Dataset | DatasetFacts, dropout: float) -> None:
    """Build a model for a data set and compute its logits for two inputs.

    Raises:
        ValueError: It has nothing to train, or its logits are not [n, classes].
        Exception: Whatever the user's own code raises.
    """
    classes = dataset.classes
    with own_randomness(torch.device("cpu")), torch.no_grad():
        model = build_model(
            source, input_shape=dataset.input_shape, classes=classes, dropout=dropout
        ).eval()
        shape = tuple(model(torch.zeros(2, *dataset.input_shape)).shape)
    if not any(p.requires_grad for p in model.parameters()):
        raise ValueError(f"model must have parameters to train, {source!r} has none")
    if shape != (2, classes):
        raise ValueError(
            f"model must give logits [n, {classes}] for inputs [n, "
            f"{', '.join(map(str, dataset.input_shape))}], {source!r} gives {list(shape)} for n=2"
        )
