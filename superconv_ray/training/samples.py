"""The samples of a trial: what it trains on, and what it is measured on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from superconv_ray.data.batches import (
    DeviceData,
    Statistics,
    TrainingBatches,
    input_statistics,
)
from superconv_ray.data.catalog import Augment, ResizedCrop
from superconv_ray.data.dataset import strata
from superconv_ray.data.own_augmentation import OwnAugmentation
from superconv_ray.data.streaming import Inputs
from superconv_ray.data.subsets import limited_subset
from superconv_ray.design.evaluations import PROBE_COUNT
from superconv_ray.design.own_functions import OwnFunction
from superconv_ray.design.pipelines import is_pipeline
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.training.team import Team


@dataclass(frozen=True, eq=False)
class Part:
    """Samples to evaluate: `indices` [n] into `inputs` and `labels`, in stratified order.

    Inputs and labels are as in `DeviceData`.
    """

    inputs: Inputs
    labels: Tensor
    indices: Tensor

    def first(self, count: int | None) -> Part:
        """The first `count` samples, or all; they are as balanced as the whole."""
        return Part(self.inputs, self.labels, self.indices[:count])

    def targets(self) -> Tensor:
        """Labels of its samples, in its order."""
        return self.labels.index_select(0, self.indices)


@dataclass(frozen=True, eq=False)
class Samples:
    """The limited labels of a trial, and its held-out labels."""

    batches: TrainingBatches
    training_count: int
    probe: Part
    """Training samples: at most `PROBE_COUNT`."""
    held_out: Part
    """Validation samples, if the trial holds some of its limited labels out; else the test set."""
    held_out_name: str
    """"validation" or "test"."""
    statistics: Statistics
    """Of the inputs of the training part alone."""


def select_samples(trial: CompleteTrial, data: DeviceData, team: Team | None = None) -> Samples:
    """Draw the limited labels of a trial, and standardize by the training part alone.

    Args:
        trial: Complete settings.
        data: The data set.
        team: The processes that share its batches; each decodes its own part of them only.
    """
    team = team or Team()
    device = data.train_inputs.device
    subset = limited_subset(
        strata(data.train_labels.cpu().numpy()),
        count=trial.data_count,
        seed=trial.subset_seed,
        validation_fraction=trial.validation_fraction,
    )
    training = torch.from_numpy(subset.training).to(device)
    statistics = input_statistics(data.train_inputs, training[: data.statistics_count])
    inputs: Inputs
    if trial.validation_fraction:
        name, inputs, labels = "validation", data.train_inputs, data.train_labels
        order = subset.validation
    else:
        name, inputs, labels = "test", data.test_inputs, data.test_labels
        every = strata(labels.cpu().numpy())
        order = limited_subset(every, count=len(every), seed=0, validation_fraction=0.0).training
    return Samples(
        batches=TrainingBatches(
            data.train_inputs,
            data.train_labels,
            training,
            batch_size=trial.batch_size,
            seed=trial.seed,
            augment=_augmentation(trial),
            statistics=statistics,
            shown=team.part(torch.arange(trial.batch_size)),
            steps=trial.steps,
            image_sizes=trial.image_sizes,
        ),
        training_count=len(training),
        probe=Part(data.train_inputs, data.train_labels, training[:PROBE_COUNT]),
        held_out=Part(inputs, labels, torch.from_numpy(order).to(device)),
        held_out_name=name,
        statistics=statistics,
    )


def _augmentation(trial: CompleteTrial) -> Augment | ResizedCrop | OwnAugmentation:
    own = trial.augment
    if isinstance(own, OwnFunction):
        return OwnAugmentation(str(own), own.function, is_pipeline(own.function))
    return cast("Augment | ResizedCrop", own)
