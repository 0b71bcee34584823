"""Whether a model can be trained, found out before anything is."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from superconv_ray.data.batches import ResidentDataset
from superconv_ray.data.catalog import DatasetFacts
from superconv_ray.data.dataset import Dataset
from superconv_ray.design.trial import CompleteTrial, Trial
from superconv_ray.training.loop import TrainingRun
from superconv_ray.training.model import ModelSource


def check_model(source: ModelSource, template: Trial, dataset: Dataset | DatasetFacts) -> None:
    """Train a model for one step and evaluate it, on made-up samples, on the CPU.

    Args:
        source: The model.
        template: Settings of a trial; those that a study fills in may be missing.
        dataset: What the model is to be trained on, of which only the shape counts.

    Raises:
        ValueError: It has nothing to train, its logits are not [n, classes], or it is built in and
            does not suit the inputs.
        Exception: Whatever the user's own code raises.
    """
    run = TrainingRun(_one_step(template, dataset.classes), _zeros(dataset), source)

    def check_logits(_: nn.Module, inputs: tuple[torch.Tensor, ...], logits: Any) -> None:
        count = len(inputs[0])
        shape = tuple(getattr(logits, "shape", ()))
        if shape != (count, dataset.classes):
            found = list(shape) if shape else f"a {type(logits).__name__}"
            raise ValueError(
                f"model must give logits [n, {dataset.classes}] for inputs [n, "
                f"{', '.join(map(str, dataset.input_shape))}], {source!r} gives {found} "
                f"for n={count}"
            )

    run.model.register_forward_hook(check_logits)
    try:
        run.train(pause=lambda: True)
    except RuntimeError as error:
        if not isinstance(source, str) or template.own_functions():
            raise  # the user's own code
        raise ValueError(
            f"model {source!r} cannot be trained on inputs [n, "
            f"{', '.join(map(str, dataset.input_shape))}]: {error}"
        ) from None


def _one_step(template: Trial, classes: int) -> CompleteTrial:
    """A trial whose first step is followed by an evaluation, with the samples that these need."""
    ghosts = template.ghost_batch_size
    return template.complete(
        data_fraction=None,
        data_count=classes,
        validation_fraction=0.0,
        batch_size=2 * ghosts if ghosts else min(2, template.batch_size),
        steps=2,
        policy="constant",
        max_lr=1e-3,
        # The driver may lack the GPUs that have TF32; the step is the same in fp32.
        precision="fp32" if template.precision == "tf32" else template.precision,
        eval_interval=2,
        eval_count=2,
    )


def _zeros(dataset: Dataset | DatasetFacts) -> ResidentDataset:
    """A sample of each class for training, and two for evaluation."""
    channels, *space = dataset.input_shape
    inputs = torch.zeros(1, *space, channels).expand(dataset.classes, *space, channels)
    labels = torch.arange(dataset.classes)
    return ResidentDataset(inputs, labels, inputs[:2], labels[:2])
