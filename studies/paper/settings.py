"""What the studies of this folder share: their two scales, and the paper's main experiment."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from superconv_ray import Trial, epochs, paired
from superconv_ray.design.sweep import Sweep

Scale = Literal["laptop", "paper"]
"""A size that two cores finish within an hour, or that of the publication."""


DIGITS = Trial(dataset="digits", model="small_cnn", batch_size=32, weight_decay=1e-4)
"""1,437 images of 8 x 8 pixels and a network whose step takes milliseconds, for large designs."""

BASE: Mapping[Scale, Trial] = MappingProxyType(
    {
        "paper": Trial(
            dataset="cifar10",
            augment="flip",
            model="resnet56",
            batch_size=1000,
            ghost_batch_size=125,  # batch norm over the share of each of the author's 8 GPUs
            bn_momentum_steps=500,
            lr_placement="inside",  # as Caffe does
            weight_decay=1e-4,
        ),
        "laptop": DIGITS.changed(
            data_count=500,
            eval_interval=1_000_000,  # only final accuracies are compared
        ),
    }
)
"""ResNet-56 on CIFAR-10 as in the ICLR submission of arXiv 1708.07120, and its small stand-in."""

ONE_CYCLE: Mapping[Scale, Mapping[str, Any]] = MappingProxyType(
    {
        "paper": {"policy": "triangular", "max_lr": 3.0, "div_factor": 30.0, "momentum": 0.9},
        "laptop": {
            "policy": "one_cycle",
            "max_lr": 0.3,
            "momentum": 0.95,
            "min_momentum": 0.85,
        },
    }
)
"""The cycle of the ICLR submission, which has neither tail nor cyclical momentum; 1cycle.

On a laptop, its rate is what range tests of this network read on held-out labels: 0.24 to 0.4.
"""


def one_cycle_without(name: str, scale: Scale) -> Mapping[str, Any]:
    """Return the settings of `ONE_CYCLE` but for one that a study sweeps."""
    return {other: value for other, value in ONE_CYCLE[scale].items() if other != name}


_STEP = {"policy": "piecewise", "milestones": (0.625, 0.875), "momentum": 0.9}
STEP: Mapping[Scale, Mapping[str, Any]] = MappingProxyType(
    {"paper": {**_STEP, "max_lr": 0.35}, "laptop": {**_STEP, "max_lr": 0.1}}
)
"""The step schedule that is compared with it: drops by ten at 50,000 and 70,000 of 80,000."""

SHORT: Mapping[Scale, int] = MappingProxyType({"paper": 10_000, "laptop": 80})
LONG: Mapping[Scale, int] = MappingProxyType({"paper": 80_000, "laptop": 640})
"""Iterations of the cycle and of the step schedule in the main experiment."""


RESULTS_TABLE = Trial(
    augment="flip",
    batch_size=512,
    bn_momentum=0.05,
    optimizer="nesterov",
    lr_placement="inside",
    weight_decay=1e-4,
)
"""What the CIFAR rows of the results table of arXiv 1708.07120v3 share; see the author's logs."""


CYCLE_V3 = {"policy": "one_cycle", "momentum": 0.95, "min_momentum": 0.85}
"""The cycle of most of these rows, without its rates."""
TAIL_EPOCHS = {25: 1, 50: 4, 100: 10}
"""Epochs of a run -> what its published step size leaves for the tail."""


def in_epochs(budgets: Sequence[int], tail_epochs: Mapping[int, int]) -> Sweep:
    """Return a sweep over budgets in epochs, each with the part of it that 1cycle's tail takes.

    Args:
        budgets: Epochs of each run.
        tail_epochs: What the published step sizes leave of runs of that many epochs. For others,
            the tail takes a tenth.
    """
    return paired(
        budget=tuple(map(epochs, budgets)),
        tail_fraction=tuple(
            round(tail_epochs.get(budget, budget / 10) / budget, 4) for budget in budgets
        ),
    )
