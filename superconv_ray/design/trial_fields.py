"""The settings of a trial: their names, types, rules and meanings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import get_type_hints

from superconv_ray.data.catalog import AUGMENTATIONS, RESIZED_CROPS
from superconv_ray.design import schedules
from superconv_ray.design.fields import (
    COUNT,
    DIVISOR,
    FRACTION,
    IMAGE_SIZES,
    MILESTONES,
    NAME,
    NOT_NEGATIVE,
    POSITIVE,
    SEED,
    SHARE,
    SWITCH,
    TWO_OR_MORE,
    FieldType,
    Rule,
    one_of,
    setting,
)
from superconv_ray.design.metrics import GOALS, METRICS
from superconv_ray.design.own_functions import NameOrFunction
from superconv_ray.design.text import did_you_mean
from superconv_ray.design.update_rules import OPTIMIZERS

DECAYED = ("all", "weights")
LOSSES = ("cross_entropy", "bce", "mse")
PRECISIONS = ("auto", "fp32", "tf32", "bf16")
ANNEALS = ("linear", "cosine")
CYCLE_ENDS = ("min_lr", "final_lr")
TAILS = ("step", "linear", "cosine")
COOLDOWNS = ("linear", "1-sqrt", "cosine")
LR_PLACEMENTS = ("outside", "inside")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialFields:
    """The fields of a `Trial`; each is a column of the trials table."""

    # Data
    dataset: str = setting(NAME, "data set, built in or given to the study", "digits")
    dataset_digest: str | None = setting(NAME, "content hash of the user's own data set")
    data_fraction: float | None = setting(
        FRACTION, "limited labels as a fraction of the training set, as requested"
    )
    data_count: int | None = setting(COUNT, "limited labels available, validation included")
    validation_fraction: float = setting(
        SHARE, "fraction of the limited labels held out for choosing hyper-parameters", 0.0
    )
    subset_seed: int | None = setting(SEED, "which limited labels are drawn; default: seed")
    augment: NameOrFunction = setting(
        one_of((*AUGMENTATIONS, *RESIZED_CROPS)),
        "random augmentation of training images, or your own",
        "none",
    )
    augment_digest: str | None = setting(
        NAME, "hash of the source or the settings of the user's own augmentation"
    )
    image_sizes: tuple[int, ...] | None = setting(
        IMAGE_SIZES,
        "heights and widths of training images in equal parts of the run, in pixels "
        "(progressive resizing); default: those of the data, as for evaluations and range tests",
    )
    # Model
    model: str = setting(NAME, "model, built in or given to the study", "small_cnn")
    model_digest: str | None = setting(NAME, "hash of the source of the user's own model")
    dropout: float = setting(SHARE, "dropout ratio, where the model defines dropout", 0.0)
    bn_momentum: float | None = setting(
        FRACTION,
        "weight of a new batch in BN's running statistics (PyTorch's convention); default: 0.1",
    )
    bn_momentum_steps: float | None = setting(
        POSITIVE, "bn_momentum x steps, for runs of any length; a trial stores its bn_momentum"
    )
    ghost_batch_size: int | None = setting(
        COUNT, "samples that BN normalizes together in training; default: the whole batch"
    )
    # Optimization
    loss: NameOrFunction | None = setting(
        one_of(LOSSES), "what training minimizes, or your own function; default: 'cross_entropy'"
    )
    label_smoothing: float | None = setting(
        SHARE, "weight of the uniform distribution in the targets of cross_entropy; default: 0"
    )
    loss_digest: str | None = setting(NAME, "hash of the source of the user's own loss")
    optimizer: NameOrFunction = setting(
        one_of(tuple(OPTIMIZERS)), "update rule, or your own factory of one", "sgd"
    )
    optimizer_digest: str | None = setting(NAME, "hash of the source of the user's own optimizer")
    beta2: float | None = setting(
        SHARE, "decay rate of averaged squared gradients; the first rate of Adam is the momentum"
    )
    lr_placement: str | None = setting(
        one_of(LR_PLACEMENTS),
        "where SGD's learning rate enters: 'inside' the momentum buffer, as in Caffe; or "
        "'outside', as in PyTorch",
    )
    weight_decay: float = setting(
        NOT_NEGATIVE, "L2 coefficient; decoupled for adamw, muon and schedule_free_adamw", 0.0
    )
    weight_decay_on: str | None = setting(
        one_of(DECAYED), "'weights' spares biases and normalization parameters; default: 'all'"
    )
    batch_size: int = setting(COUNT, "samples per optimizer step", 128)
    steps: int | None = setting(COUNT, "optimizer steps, computed from the study's budget")
    precision: str = setting(
        one_of(PRECISIONS),
        "'auto': bf16 where the hardware is fast at it, else fp32; 'fp32' is never TF32",
        "auto",
    )
    deterministic: bool = setting(
        SWITCH,
        "kernels that give the same bits every time, on GPUs too, at the cost of speed",
        False,
    )
    # Schedule of learning rate and momentum; see `superconv_ray.design.schedules`
    policy: NameOrFunction = setting(
        one_of(tuple(schedules.POLICIES)), "learning-rate policy, or your own schedule", "one_cycle"
    )
    policy_digest: str | None = setting(NAME, "hash of the source of the user's own schedule")
    max_lr: float | None = setting(POSITIVE, "largest learning rate of the run")
    momentum: float | None = setting(SHARE, "momentum at the smallest learning rate")
    min_momentum: float | None = setting(SHARE, "momentum at max_lr")
    div_factor: float | None = setting(DIVISOR, "max_lr / min_lr")
    peak_fraction: float | None = setting(SHARE, "fraction of 1cycle's cycle that rises to max_lr")
    anneal: str | None = setting(one_of(ANNEALS), "shape of 1cycle's rise and fall")
    cycle_end: str | None = setting(
        one_of(CYCLE_ENDS),
        "where 1cycle's cycle ends: 'final_lr' is the rate of the tail",
    )
    final_div_factor: float | None = setting(DIVISOR, "min_lr / learning rate of the tail")
    tail_fraction: float | None = setting(SHARE, "fraction of the run after the cycle")
    tail: str | None = setting(one_of(TAILS), "shape of 1cycle's tail")
    start_lr: float | None = setting(NOT_NEGATIVE, "learning rate at which a range test begins")
    cycles: int | None = setting(COUNT, "cycles in the run")
    exp_range_gamma: float | None = setting(FRACTION, "exp_range's amplitude factor per step")
    milestones: tuple[float, ...] | None = setting(
        MILESTONES, "fractions of the run at which piecewise drops"
    )
    decay_factor: float | None = setting(FRACTION, "piecewise's factor at each milestone")
    inv_gamma: float | None = setting(NOT_NEGATIVE, "g of lr = max_lr (1 + g step)^-p")
    inv_power: float | None = setting(NOT_NEGATIVE, "p of lr = max_lr (1 + g step)^-p")
    decay_power: float | None = setting(POSITIVE, "p of lr = max_lr (1 - fraction done)^p")
    warmup_fraction: float | None = setting(SHARE, "fraction of the run that warms up linearly")
    cooldown_fraction: float | None = setting(FRACTION, "fraction of the run that wsd cools down")
    cooldown: str | None = setting(one_of(COOLDOWNS), "shape of wsd's cooldown")
    # Measurement
    metric: NameOrFunction | None = setting(
        one_of(tuple(METRICS)), "what a study compares, or your own function; default: 'accuracy'"
    )
    metric_digest: str | None = setting(NAME, "hash of the source of the user's own metric")
    metric_goal: str | None = setting(
        one_of(GOALS), "whether more of the user's own metric is better; null if built in"
    )
    metric_unit: str | None = setting(
        NAME, "unit of the metric, for texts and axes; not part of the id"
    )
    eval_interval: int | None = setting(
        COUNT,
        "steps between curve rows; default: steps / 20; a run of no more has its last row only",
    )
    eval_count: int | None = setting(
        COUNT, "samples evaluated for a curve row; the last row always uses all of them", 1000
    )
    hessian_free_interval: int | None = setting(
        TWO_OR_MORE, "steps between Hessian-free estimates of the learning rate; default: none"
    )
    sharpness: bool = setting(
        SWITCH, "record the largest eigenvalues of the training loss's Hessian at the end", False
    )
    seed: int = setting(SEED, "seed of initial weights, batch order, augmentation and dropout", 0)


@cache
def field_names() -> tuple[str, ...]:
    """Names of all trial fields, in the order of declaration."""
    return tuple(f.name for f in fields(TrialFields))


def schedule_fields() -> tuple[str, ...]:
    """Names of the fields that parametrize learning-rate policies."""
    return schedules.fields_of_policies()


@cache
def digest_fields() -> Mapping[str, str]:
    """Map the fields that take the user's own functions to the fields with their digests."""
    kinds = ((name, kind) for name, (kind, _) in declared_fields().items())
    return {name: f"{name}_digest" for name, kind in kinds if kind.functions}


@cache
def function_fields() -> tuple[str, ...]:
    """Names of the fields that take the user's own functions."""
    return tuple(digest_fields())


def check_field_names(names: Mapping[str, object], where: str) -> None:
    """Reject settings that are not fields of a trial.

    Raises:
        ValueError: Names the first unknown field, the nearest valid one, and all valid ones.
    """
    for name in names:
        if name not in field_names():
            # Digests are computed, so nobody may set them.
            choices = [field for field in field_names() if not field.endswith("_digest")]
            hint = did_you_mean(name, choices) or "."
            raise ValueError(
                f"{where}: {name!r} is not a field of a trial{hint} Fields: {', '.join(choices)}"
            )


def number_type(name: str) -> type[int] | type[float] | None:
    """Type of a field that holds a single number; None for other fields."""
    kind = declared_fields()[name][0].plain
    return kind if kind in (int, float) else None


def describe_fields() -> list[tuple[str, str, str]]:
    """Name, type and meaning of every field, for tables of the fields."""
    return [
        (f.name, declared_fields()[f.name][0].name, str(f.metadata["description"]))
        for f in fields(TrialFields)
    ]


@cache
def declared_fields() -> dict[str, tuple[FieldType, Rule]]:
    """Declared type and rule of every field."""
    kinds = get_type_hints(TrialFields)
    return {f.name: (FieldType.of(kinds[f.name]), f.metadata["rule"]) for f in fields(TrialFields)}
