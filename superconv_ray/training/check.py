"""Whether a model can be trained, found out before anything is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import nn

from superconv_ray.data.batches import ResidentDataset
from superconv_ray.data.catalog import RESIZED_CROPS, DatasetFacts, crops_while_decoding
from superconv_ray.data.dataset import Dataset
from superconv_ray.data.images import AnyDataset
from superconv_ray.design.own_functions import OwnFunction
from superconv_ray.design.trial import CompleteTrial, Trial
from superconv_ray.training.loop import TrainingRun
from superconv_ray.training.metrics import measure_of
from superconv_ray.training.model import ModelSource
from superconv_ray.training.randomness import own_randomness
from superconv_ray.training.samples import select_samples


def check_model(source: ModelSource, template: Trial, dataset: AnyDataset | DatasetFacts) -> None:
    """Train a model for one step and evaluate it, on made-up samples, on the CPU.

    With `image_sizes`, that is done for images of every size.

    Args:
        source: The model.
        template: Settings of a trial; those that a study fills in may be missing.
        dataset: What the model is to be trained on, of which only the shape counts.

    Raises:
        ValueError: It has nothing to train, its logits are not [n, classes], or it is built in and
            does not suit the inputs.
        Exception: Whatever the user's own code raises.
    """
    for size in sorted(set(template.image_sizes or ())):
        try:
            _check_at_one_size(source, template.changed(image_sizes=(size,)), dataset)
        except Exception as error:
            error.add_note(f"image_sizes: this is with training images of {size} x {size} pixels")
            raise
    _check_at_one_size(source, template.changed(image_sizes=None), dataset)


def _check_at_one_size(
    source: ModelSource, template: Trial, dataset: AnyDataset | DatasetFacts
) -> None:
    samples = _made_up(dataset)
    trial = _one_step(template, len(samples.train_labels))
    if isinstance(trial.augment, OwnFunction):
        check_augmentation(trial, dataset)
    if isinstance(trial.metric, OwnFunction):
        _check_metric(trial, dataset.outputs, samples.test_labels)
    run = TrainingRun(trial, samples, source)

    def check_logits(_: nn.Module, inputs: tuple[torch.Tensor, ...], logits: Any) -> None:
        count = len(inputs[0])
        shape = tuple(getattr(logits, "shape", ()))
        if shape != (count, dataset.outputs):
            kind = "outputs" if dataset.task == "regression" else "logits"
            found = list(shape) if shape else f"a {type(logits).__name__}"
            raise ValueError(
                f"model must give {kind} [n, {dataset.outputs}] for inputs [n, "
                f"{', '.join(map(str, dataset.input_shape))}], {source!r} gives {found} "
                f"for n={count}"
            )

    run.model.register_forward_hook(check_logits)
    try:
        run.train(pause=lambda: True)
    except (RuntimeError, AssertionError) as error:
        if not isinstance(source, str) or template.own_functions():
            raise  # the user's own code
        raise ValueError(
            f"model {source!r} cannot be trained on inputs [n, "
            f"{', '.join(map(str, dataset.input_shape))}]: {error}"
        ) from None
    if isinstance(trial.optimizer, OwnFunction):
        _check_continuation(run, TrainingRun(trial, samples, source), trial.optimizer)


def check_augmentation(trial: CompleteTrial, dataset: AnyDataset | DatasetFacts) -> None:
    """Augment made-up samples twice from the same seed.

    Raises:
        ValueError: The results differ: the augmentation draws from another generator than torch's,
            so that a run cannot continue as it was.
        Exception: Whatever the user's own code raises.
    """
    channels, *space = dataset.input_shape
    labels = _made_up(dataset).train_labels
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randint(
        256, (len(labels), *space, channels), generator=generator, dtype=torch.uint8
    )
    if isinstance(dataset, Dataset):
        inputs = inputs.to(torch.from_numpy(dataset.train_inputs[:1].copy()).dtype)
    made = ResidentDataset(inputs, labels, inputs, labels)
    with own_randomness(torch.device("cpu")):
        once, again = (select_samples(trial, made).batches for _ in range(2))
        for step in range(4):
            inputs = once.batch(step)[0]
            if not inputs.isfinite().all():
                raise ValueError(
                    f"augment {str(trial.augment)!r} must give finite numbers, got NaN or inf"
                )
            if not torch.equal(inputs, again.batch(step)[0]):
                raise ValueError(
                    f"augment {str(trial.augment)!r} must draw all random numbers from torch's "
                    "default generators, which are seeded for each step: the same seed gave two "
                    "different batches"
                )


def _check_metric(trial: CompleteTrial, outputs: int, targets: torch.Tensor) -> None:
    """Check that a run which diverges gets a metric: that of outputs which are all zero."""
    measure = measure_of(trial)
    assert measure is not None
    with np.errstate(all="ignore"):
        value = measure(np.zeros((len(targets), outputs), np.float32), targets.numpy())
    if not math.isfinite(value):
        raise ValueError(
            f"metric {str(trial.metric)!r} must be finite for outputs that are all zero, which "
            f"stand for those of a run that diverged, got {value}: return what they are worth"
        )


def _check_continuation(run: TrainingRun, again: TrainingRun, optimizer: OwnFunction) -> None:
    """Check that a run with the user's own optimizer continues from a checkpoint as it was."""
    again.restore(run.state())
    run.train()
    again.train()
    parameters = zip(run.model.parameters(), again.model.parameters(), strict=True)
    if not all(torch.equal(one, other) for one, other in parameters):
        raise ValueError(
            f"optimizer {str(optimizer)!r} must continue from its state_dict as it was: after "
            "load_state_dict the next step gave other weights"
        )


def _one_step(template: Trial, count: int) -> CompleteTrial:
    """A trial whose first step is followed by an evaluation, with the samples that these need."""
    ghosts = template.ghost_batch_size
    if crops_while_decoding(template.augment):  # made-up images are arrays
        template = template.changed(augment=RESIZED_CROPS[str(template.augment)])
    return template.complete(
        data_fraction=None,
        data_count=count,
        validation_fraction=0.0,
        batch_size=2 * ghosts if ghosts else min(2, template.batch_size),
        steps=2,
        policy="constant",
        max_lr=1e-3,
        # The driver may lack the GPUs that have TF32; the step is the same in fp32.
        precision="fp32" if template.precision == "tf32" else template.precision,
        eval_interval=1,
        eval_count=2,
    )


def _made_up(dataset: AnyDataset | DatasetFacts) -> ResidentDataset:
    """A sample of each class, or two with other targets, for training, and two for evaluation."""
    channels, *space = dataset.input_shape
    labels = torch.arange(dataset.outputs)
    if dataset.task != "classification":
        labels = torch.tensor([[0.0], [1.0]]).repeat(1, dataset.outputs)
    inputs = torch.zeros(1, *space, channels).expand(len(labels), *space, channels)
    return ResidentDataset(inputs, labels, inputs[:2], labels[:2])
