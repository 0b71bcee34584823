"""A trial: everything that determines one training run, flat, validated and hashable to an id."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache, cached_property, partial
from itertools import pairwise
from numbers import Integral, Real
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from superconv_ray.data.catalog import AUGMENTATIONS
from superconv_ray.design import schedules
from superconv_ray.design.text import did_you_mean

RESULTS_VERSION = 1
"""Part of every id. Raised when a change of this package makes the same settings train differently,
so that old rows are never passed off as new ones."""

OPTIMIZERS = ("sgd", "nesterov", "adam", "adamw")
ADAPTIVE_OPTIMIZERS = frozenset({"adam", "adamw"})
DECAYED = ("all", "weights")
PRECISIONS = ("auto", "fp32", "bf16")
TAILS = ("step", "linear")
DEFAULT_BN_MOMENTUM = 0.1
"""PyTorch's."""


@dataclass(frozen=True)
class _Rule:
    """What a field's value must satisfy, in words and as a test."""

    text: str
    holds: Callable[[Any], bool]


def _one_of(choices: tuple[str, ...]) -> _Rule:
    return _Rule("one of " + ", ".join(map(repr, choices)), choices.__contains__)


_FRACTION = _Rule("in (0, 1]", lambda v: 0 < v <= 1)
_SHARE = _Rule("in [0, 1)", lambda v: 0 <= v < 1)
_POSITIVE = _Rule("finite and > 0", lambda v: math.isfinite(v) and v > 0)
_NOT_NEGATIVE = _Rule("finite and >= 0", lambda v: math.isfinite(v) and v >= 0)
_COUNT = _Rule("an integer in [1, 2**63)", lambda v: 1 <= v < 2**63)
_TWO_OR_MORE = _Rule("an integer in [2, 2**63)", lambda v: 2 <= v < 2**63)
_SEED = _Rule("an integer in [0, 2**31)", lambda v: 0 <= v < 2**31)
_DIVISOR = _Rule("finite and >= 1", lambda v: math.isfinite(v) and v >= 1)
_MILESTONES = _Rule(
    "strictly increasing fractions of the run in (0, 1)",
    lambda v: all(0 < m < 1 for m in v) and all(a < b for a, b in pairwise(v)),
)
_NAME = _Rule("a non-empty name", lambda v: bool(v.strip()))


def _setting(rule: _Rule, description: str, default: Any = None) -> Any:
    return field(default=default, metadata={"rule": rule, "description": description})


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training run or LR range test; every field is a column of the result table.

    ``None`` means "not set": a template (a study's ``base``) leaves open what the study fills in.
    `Trial.complete` fills in a policy's defaults and clears what the policy or the optimiser does
    not use, so that equal runs are equal trials. Fields and units are listed by `describe_fields`.

    Raises:
        ValueError: A value breaks its field's rule; the message names field, rule and value.
        TypeError: A value is not of the field's declared type, or there is no such field.
    """

    # Data
    dataset: str = _setting(_NAME, "data set, built in or given by the study", "digits")
    dataset_digest: str | None = _setting(_NAME, "content hash of a user's own data set")
    data_fraction: float | None = _setting(
        _FRACTION, "limited labels as a fraction of the training set, as asked for"
    )
    data_count: int | None = _setting(_COUNT, "limited labels available, validation included")
    validation_fraction: float = _setting(
        _SHARE, "fraction of the limited labels held out for choosing hyper-parameters", 0.0
    )
    subset_seed: int | None = _setting(_SEED, "which limited labels are drawn; default: seed")
    augment: str = _setting(
        _one_of(AUGMENTATIONS), "random augmentation of training images", "none"
    )
    # Model
    model: str = _setting(_NAME, "model, built in or given by the study", "small_cnn")
    model_digest: str | None = _setting(_NAME, "hash of the source of a user's own model")
    dropout: float = _setting(_SHARE, "dropout ratio, at the places the model defines", 0.0)
    bn_momentum: float | None = _setting(
        _FRACTION,
        "weight of a new batch in BN's running statistics (PyTorch's convention); default: 0.1",
    )
    bn_momentum_steps: float | None = _setting(
        _POSITIVE, "bn_momentum x steps, for runs of any length; a trial stores its bn_momentum"
    )
    ghost_batch_size: int | None = _setting(
        _COUNT, "samples that BN normalises together in training; default: the whole batch"
    )
    # Optimisation
    optimizer: str = _setting(_one_of(OPTIMIZERS), "update rule", "sgd")
    beta2: float | None = _setting(_SHARE, "Adam's second decay; its first is the momentum")
    weight_decay: float = _setting(_NOT_NEGATIVE, "L2 coefficient (adamw: decoupled)", 0.0)
    weight_decay_on: str | None = _setting(
        _one_of(DECAYED), "'weights' spares biases and normalisation parameters; default: 'all'"
    )
    batch_size: int = _setting(_COUNT, "samples per optimiser step", 128)
    steps: int | None = _setting(_COUNT, "optimiser steps; a study's budget is turned into these")
    precision: str = _setting(
        _one_of(PRECISIONS), "'auto': bf16 where the hardware is fast", "auto"
    )
    # Schedule of learning rate and momentum; see `superconv_ray.design.schedules`
    policy: str = _setting(_one_of(tuple(schedules.POLICIES)), "learning-rate policy", "one_cycle")
    max_lr: float | None = _setting(_POSITIVE, "largest learning rate of the run")
    momentum: float | None = _setting(_SHARE, "momentum at the smallest learning rate")
    min_momentum: float | None = _setting(_SHARE, "momentum at max_lr")
    div_factor: float | None = _setting(_DIVISOR, "max_lr / min_lr")
    final_div_factor: float | None = _setting(_DIVISOR, "min_lr / learning rate of the tail")
    tail_fraction: float | None = _setting(_SHARE, "share of the run after the cycle")
    tail: str | None = _setting(_one_of(TAILS), "shape of 1cycle's tail")
    start_lr: float | None = _setting(_NOT_NEGATIVE, "learning rate at which a range test begins")
    cycles: int | None = _setting(_COUNT, "cycles in the run")
    exp_range_gamma: float | None = _setting(_FRACTION, "exp_range's amplitude factor per step")
    milestones: tuple[float, ...] | None = _setting(
        _MILESTONES, "fractions of the run at which piecewise drops"
    )
    decay_factor: float | None = _setting(_FRACTION, "piecewise's factor at each milestone")
    inv_gamma: float | None = _setting(_NOT_NEGATIVE, "g of lr = max_lr (1 + g step)^-p")
    inv_power: float | None = _setting(_NOT_NEGATIVE, "p of lr = max_lr (1 + g step)^-p")
    warmup_fraction: float | None = _setting(_SHARE, "share of the run that warms up linearly")
    # Measurement
    eval_interval: int | None = _setting(_COUNT, "steps between curve rows; default: steps / 20")
    eval_count: int | None = _setting(
        _COUNT, "samples evaluated for a curve row; the last row always uses all of them", 1000
    )
    hessian_free_interval: int | None = _setting(
        _TWO_OR_MORE, "steps between Hessian-free estimates of the learning rate; default: none"
    )
    seed: int = _setting(_SEED, "initial weights, batch order, augmentation and dropout", 0)

    def __new__(cls, **settings: Any) -> Trial:
        """Python's own message on a misspelt field lacks the nearest one and the valid ones."""
        if not settings.keys() <= cls.__dataclass_fields__.keys():
            try:
                check_field_names(settings, f"{cls.__name__}(...)")
            except ValueError as error:
                raise TypeError(str(error)) from None
        return super().__new__(cls)

    def __post_init__(self) -> None:
        for name, kind in _field_kinds().items():
            value = _cast(name, getattr(self, name), kind)
            object.__setattr__(self, name, value)
            rule: _Rule = _field(name).metadata["rule"]
            if value is not None and not rule.holds(value):
                raise ValueError(f"{name} must be {rule.text}, got {value!r}{_hint(rule, value)}")
        self._check_together()

    def _check_together(self) -> None:
        """Rules over two fields at once; those that the policy does not use do not matter."""
        if self.bn_momentum is not None and self.bn_momentum_steps is not None:
            raise ValueError(
                "set bn_momentum or bn_momentum_steps and leave the other None; got bn_momentum="
                f"{self.bn_momentum} and bn_momentum_steps={self.bn_momentum_steps}"
            )
        if self.ghost_batch_size is not None and self.batch_size % self.ghost_batch_size:
            raise ValueError(
                f"ghost_batch_size must divide batch_size ({self.batch_size}), "
                f"got {self.ghost_batch_size}"
            )
        used = schedules.parameters(self.policy)
        if (
            "start_lr" in used
            and self.start_lr is not None
            and self.max_lr is not None
            and self.start_lr >= self.max_lr
        ):
            raise ValueError(f"start_lr must be < max_lr ({self.max_lr}), got {self.start_lr}")
        if self.policy == "range_test_exponential" and self.start_lr == 0:
            raise ValueError("start_lr must be > 0 for policy 'range_test_exponential', got 0.0")
        if self.optimizer == "nesterov" and self.momentum == 0:
            raise ValueError("momentum must be > 0 for optimizer 'nesterov', got 0.0")
        if (
            "min_momentum" in used
            and self.momentum is not None
            and self.min_momentum is not None
            and self.min_momentum > self.momentum
        ):
            raise ValueError(
                f"min_momentum must be <= momentum ({self.momentum}), got {self.min_momentum}"
            )

    @property
    def kind(self) -> Literal["range_test", "training"]:
        """Whether the run is an LR range test or a full training."""
        return "range_test" if self.policy in schedules.RANGE_TESTS else "training"

    def complete(self) -> Trial:
        """The same run with every default filled in and every unused field cleared.

        Raises:
            ValueError: A value that only the study or the user can give is missing.
        """
        for name in ("max_lr", "steps", "data_count"):
            if getattr(self, name) is None:
                raise ValueError(f"{name} must be set before a trial can run, got None")
        assert self.steps is not None
        defaults: dict[str, Any] = {
            **schedules.parameters(self.policy),
            "bn_momentum": _bn_momentum(self.bn_momentum_steps, self.steps),
            "beta2": 0.999,
            "weight_decay_on": "all",
            "subset_seed": self.seed,
            "eval_interval": max(1, self.steps // 20),
        }
        missing = {name: value for name, value in defaults.items() if getattr(self, name) is None}
        cleared = dict.fromkeys(("bn_momentum_steps", *self.unused_fields()))
        return replace(self, **{**missing, **cleared})

    def unused_fields(self) -> dict[str, str]:
        """Fields that the run takes no notice of; each with the field whose value causes that."""
        used = schedules.parameters(self.policy)
        unused = dict.fromkeys((name for name in schedule_fields() if name not in used), "policy")
        if self.optimizer not in ADAPTIVE_OPTIMIZERS:
            unused["beta2"] = "optimizer"
        if not self.weight_decay:
            unused["weight_decay_on"] = "weight_decay"
        if self.ghost_batch_size == self.batch_size:
            unused["ghost_batch_size"] = "batch_size"
        return unused

    def schedule(self) -> Callable[[int], schedules.Rates]:
        """Learning rate and momentum as a function of the step (0-based) of a complete trial."""
        used = ("steps", *schedules.parameters(self.policy))
        return partial(
            schedules.POLICIES[self.policy], **{name: getattr(self, name) for name in used}
        )

    @cached_property
    def id(self) -> str:
        """20 hex digits of a SHA-256 over all that determines the result.

        ``data_fraction`` is left out: it only says how ``data_count`` was asked for. ``None`` is
        absence.
        """
        trial = self.complete()
        determining = {
            f.name: getattr(trial, f.name)
            for f in fields(trial)
            if f.name != "data_fraction" and getattr(trial, f.name) is not None
        }
        text = json.dumps({"version": RESULTS_VERSION, **determining}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def settings(self) -> dict[str, Any]:
        """Field name to value, in the order of declaration."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def own_settings(self) -> dict[str, Any]:
        """The settings that it has: without those that are None."""
        return {name: value for name, value in self.settings().items() if value is not None}

    def described(self) -> str:
        """One line with the id and all its own settings: the last one of every error of a trial."""
        return f"trial {self.id}: {self.own_settings()}"


def _bn_momentum(momentum_steps: float | None, steps: int) -> float:
    """A running average that reaches back over the same share of runs of any length.

    Source: the ICLR submission of arXiv 1708.07120, table 1, keeps momentum x steps at 400 to 600:
    moving-average fractions 0.97, 0.95, 0.85 and 0.80 for 20k, 10k, 4k and 2k iterations.
    """
    return DEFAULT_BN_MOMENTUM if momentum_steps is None else min(1.0, momentum_steps / steps)


def schedule_fields() -> tuple[str, ...]:
    """Names of the fields that parametrise learning-rate policies."""
    return tuple(
        dict.fromkeys(
            name for policy in schedules.POLICIES for name in schedules.parameters(policy)
        )
    )


def field_names() -> tuple[str, ...]:
    """Names of all trial fields, in the order of declaration."""
    return tuple(f.name for f in fields(Trial))


def check_field_names(names: Mapping[str, object], where: str) -> None:
    """Reject settings that are no trial field.

    Raises:
        ValueError: Names the first unknown field, the nearest one, and all valid ones.
    """
    for name in names:
        if name not in field_names():
            hint = did_you_mean(name, field_names()) or "."
            raise ValueError(
                f"{where}: {name!r} is not a field of a trial{hint} Fields: "
                + ", ".join(field_names())
            )


def number_type(name: str) -> type[int] | type[float] | None:
    """The type of a field that holds a single number, None for other fields."""
    kind = _unwrap_optional(_field_kinds()[name])
    return kind if kind in (int, float) else None


def describe_fields() -> list[tuple[str, str, str]]:
    """Name, type and meaning of every field; the README's table is made from this."""
    hints = get_type_hints(Trial)
    return [
        (f.name, _type_name(hints[f.name]), str(f.metadata["description"])) for f in fields(Trial)
    ]


def _type_name(kind: Any) -> str:
    plain = _unwrap_optional(kind)
    return "tuple of float" if get_origin(plain) is tuple else str(plain.__name__)


@cache
def _field_kinds() -> dict[str, Any]:
    return get_type_hints(Trial)


@cache
def _field(name: str) -> Any:
    return next(f for f in fields(Trial) if f.name == name)


def _unwrap_optional(kind: Any) -> Any:
    if isinstance(kind, UnionType):
        return next(arm for arm in get_args(kind) if arm is not type(None))
    return kind


def _cast(name: str, value: Any, kind: Any) -> Any:
    """A value in the one Python type its field declares, so that equal settings hash equally."""
    if value is None and type(None) in get_args(kind):
        return None
    plain = _unwrap_optional(kind)
    if get_origin(plain) is tuple and isinstance(value, (tuple, list)):
        return tuple(_cast(f"{name}[{i}]", item, float) for i, item in enumerate(value))
    if isinstance(value, bool):
        pass  # True is an Integral, but no count
    elif plain is float and isinstance(value, Real):
        return float(value) + 0.0  # -0.0 becomes 0.0
    elif plain is int and isinstance(value, Integral):
        return int(value)
    elif plain is int and isinstance(value, Real) and float(value).is_integer():
        return int(float(value))
    elif plain is str and isinstance(value, str):
        return str(value)
    raise TypeError(f"{name} must be of type {_type_name(kind)}, got {value!r}")


def _hint(rule: _Rule, value: Any) -> str:
    choices = getattr(rule.holds, "__self__", ())
    return did_you_mean(value, choices)
