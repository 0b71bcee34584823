"""Trials: everything that determines one training run, flat, validated and hashed to an id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache, cached_property, partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, get_type_hints

from superconv_ray.data.catalog import AUGMENTATIONS
from superconv_ray.design import schedules
from superconv_ray.design.fields import (
    COUNT,
    DIVISOR,
    FRACTION,
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
from superconv_ray.design.text import did_you_mean, trial_name

RESULTS_VERSION = 1
"""Part of every id. Raise it when a change of this package makes the same settings train
differently, so that old rows are never mistaken for new ones."""

OPTIMIZERS = ("sgd", "nesterov", "adam", "adamw")
ADAPTIVE_OPTIMIZERS = frozenset({"adam", "adamw"})
DECAYED = ("all", "weights")
PRECISIONS = ("auto", "fp32", "tf32", "bf16")
TAILS = ("step", "linear")
DEFAULT_BN_MOMENTUM = 0.1
"""PyTorch's default."""


_Kind = TypeVar("_Kind", bound="Trial")


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """Settings of one training run or LR range test; every field is a column of the trials table.

    ``None`` means "not set": a study's ``base`` is a template that the study fills in. `complete`
    returns the trial that can run. `describe_fields` lists the fields with their units.

    Raises:
        ValueError: A value breaks its field's rule; the message names field, rule and value.
        TypeError: A value does not have its field's declared type, or there is no such field.
    """

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
    augment: str = setting(one_of(AUGMENTATIONS), "random augmentation of training images", "none")
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
    optimizer: str = setting(one_of(OPTIMIZERS), "update rule", "sgd")
    beta2: float | None = setting(SHARE, "Adam's second decay rate; the first is the momentum")
    weight_decay: float = setting(NOT_NEGATIVE, "L2 coefficient (adamw: decoupled)", 0.0)
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
    policy: str = setting(one_of(tuple(schedules.POLICIES)), "learning-rate policy", "one_cycle")
    max_lr: float | None = setting(POSITIVE, "largest learning rate of the run")
    momentum: float | None = setting(SHARE, "momentum at the smallest learning rate")
    min_momentum: float | None = setting(SHARE, "momentum at max_lr")
    div_factor: float | None = setting(DIVISOR, "max_lr / min_lr")
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
    warmup_fraction: float | None = setting(SHARE, "fraction of the run that warms up linearly")
    # Measurement
    eval_interval: int | None = setting(COUNT, "steps between curve rows; default: steps / 20")
    eval_count: int | None = setting(
        COUNT, "samples evaluated for a curve row; the last row always uses all of them", 1000
    )
    hessian_free_interval: int | None = setting(
        TWO_OR_MORE, "steps between Hessian-free estimates of the learning rate; default: none"
    )
    seed: int = setting(SEED, "seed of initial weights, batch order, augmentation and dropout", 0)

    def __new__(cls, **settings: Any) -> Self:
        """Reject unknown fields with a better message than Python's own."""
        if not settings.keys() <= cls.__dataclass_fields__.keys():
            try:
                check_field_names(settings, "Trial(...)")
            except ValueError as error:
                raise TypeError(str(error)) from None
        return object.__new__(cls)

    def __post_init__(self) -> None:
        for name in _fields():
            self._set(name, getattr(self, name))
        self._finish()

    def _set(self, name: str, value: Any) -> None:
        """Set a field of this frozen object to a value that is cast and checked."""
        kind, rule = _fields()[name]
        value = kind.cast(name, value)
        if value is not None:
            rule.check(name, value)
        object.__setattr__(self, name, value)

    def _finish(self) -> None:
        """Check the rules that span two fields, unless the policy uses neither."""
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

    def changed(self, **settings: Any) -> Self:
        """Return the trial with other values of some fields."""
        return self.to(type(self), **settings)

    def complete(self, **settings: Any) -> CompleteTrial:
        """Return the same run with every default filled in and every unused field cleared.

        Args:
            settings: Values to change first.

        Raises:
            ValueError: A value that only the study or the user can give is missing.
        """
        return self.to(CompleteTrial, **settings)

    def to(self, kind: type[_Kind], **settings: Any) -> _Kind:
        """Return the settings, some of them changed, as a trial of another kind.

        Plans of a million trials are made by it: the constructor would cast and check every value
        again, this only the changed ones and the rules that span two fields.

        Raises:
            ValueError, TypeError: As `Trial`, or as the kind.
        """
        made, put = object.__new__(kind), object.__setattr__
        for name, value in zip(field_names(), _values(field_names())(self), strict=True):
            put(made, name, value)
        for name, value in settings.items():
            made._set(name, value)
        made._finish()
        return made

    def unused_fields(self) -> dict[str, str]:
        """Map every field that the run ignores to the field whose value causes that."""
        unused = dict.fromkeys(_fields_unused_by(self.policy), "policy")
        if self.optimizer not in ADAPTIVE_OPTIMIZERS:
            unused["beta2"] = "optimizer"
        if not self.weight_decay:
            unused["weight_decay_on"] = "weight_decay"
        if self.ghost_batch_size == self.batch_size:
            unused["ghost_batch_size"] = "batch_size"
        return unused

    def settings(self) -> dict[str, Any]:
        """Map field names to values, in the order of declaration."""
        names = self.__dataclass_fields__
        return dict(zip(names, _values(tuple(names))(self), strict=True))

    def identity(self) -> tuple[Any, ...]:
        """Values that determine the result: equal for complete trials with equal ids."""
        return _values(_determining())(self)

    def own_settings(self) -> dict[str, Any]:
        """Return the settings that are set, that is, those that are neither None nor off."""
        settings = self.settings().items()
        return {name: value for name, value in settings if value is not None and value is not False}


@dataclass(frozen=True, kw_only=True, slots=True)
class Template(Trial):
    """A trial whose labels and steps are known; what its cell has yet to choose is None.

    Raises:
        ValueError, TypeError: As `Trial`; or steps or data_count is missing.
    """

    if TYPE_CHECKING:  # the fields are those of Trial, but these are never None
        data_count: int
        steps: int

    def _finish(self) -> None:
        for name in ("steps", "data_count"):
            self._require(name)
        Trial._finish(self)

    def _require(self, name: str) -> None:
        if getattr(self, name) is None:
            raise ValueError(f"{name} must be set before a trial can run, got None")


@dataclass(frozen=True, kw_only=True)
class CompleteTrial(Template):
    """A trial that can run: every default is filled in and every unused field is cleared.

    Equal runs are therefore equal complete trials with equal ids. The constructor completes what it
    is given, so `dataclasses.replace` on a complete trial returns a complete trial again; it keeps
    the values that were filled in before, as if the user had given them.

    Raises:
        ValueError, TypeError: As `Template`; or max_lr is missing.
    """

    if TYPE_CHECKING:
        subset_seed: int
        bn_momentum: float
        max_lr: float
        momentum: float
        eval_interval: int

    def complete(self, **settings: Any) -> CompleteTrial:
        """Return the trial, with other values of some settings."""
        return self.changed(**settings) if settings else self

    def _finish(self) -> None:
        self._require("max_lr")
        Template._finish(self)
        for name, default in self._defaults().items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, default)
        for name in ("bn_momentum_steps", *self.unused_fields()):
            object.__setattr__(self, name, None)
        Trial._finish(self)

    def _defaults(self) -> dict[str, Any]:
        return {
            **schedules.parameters(self.policy),
            "bn_momentum": _bn_momentum(self.bn_momentum_steps, self.steps),
            "beta2": 0.999,
            "weight_decay_on": "all",
            "subset_seed": self.seed,
            "eval_interval": max(1, self.steps // 20),
        }

    @cached_property
    def id(self) -> str:
        """20 hex digits of a SHA-256 of everything that determines the result.

        ``data_fraction`` is left out: it only says how ``data_count`` was requested. Fields that
        are None or off are left out as well. ``deterministic=True`` is part of it even where a CPU
        gives the same bits without: a row that was computed without it cannot promise what it does.
        """
        determining = self.own_settings()
        determining.pop("data_fraction", None)
        text = json.dumps({"version": RESULTS_VERSION, **determining}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def schedule(self) -> Callable[[int], schedules.Rates]:
        """Return learning rate and momentum as a function of the step, which counts from 0."""
        used = ("steps", *schedules.parameters(self.policy))
        return partial(
            schedules.POLICIES[self.policy], **{name: getattr(self, name) for name in used}
        )

    def described(self) -> str:
        """Return one line that names the trial: its id and its main settings."""
        return f"trial {self.id}: {trial_name(self.settings())}"


def _bn_momentum(momentum_steps: float | None, steps: int) -> float:
    """Let the running average reach back over the same fraction of runs of any length.

    Source: the ICLR submission of arXiv 1708.07120, table 1, keeps momentum x steps at 400 to 600:
    moving-average fractions 0.97, 0.95, 0.85 and 0.80 for 20k, 10k, 4k and 2k iterations.
    """
    return DEFAULT_BN_MOMENTUM if momentum_steps is None else min(1.0, momentum_steps / steps)


@cache
def schedule_fields() -> tuple[str, ...]:
    """Names of the fields that parametrize learning-rate policies."""
    names = (name for policy in schedules.POLICIES for name in schedules.parameters(policy))
    return tuple(dict.fromkeys(names))


@cache
def _determining() -> tuple[str, ...]:
    return tuple(name for name in field_names() if name != "data_fraction")


@cache
def _values(names: tuple[str, ...]) -> attrgetter[tuple[Any, ...]]:
    return attrgetter(*names)


@cache
def _fields_unused_by(policy: str) -> tuple[str, ...]:
    used = schedules.parameters(policy)
    return tuple(name for name in schedule_fields() if name not in used)


@cache
def field_names() -> tuple[str, ...]:
    """Names of all trial fields, in the order of declaration."""
    return tuple(f.name for f in fields(Trial))


def check_field_names(names: Mapping[str, object], where: str) -> None:
    """Reject settings that are not fields of a trial.

    Raises:
        ValueError: Names the first unknown field, the nearest valid one, and all valid ones.
    """
    for name in names:
        if name not in field_names():
            hint = did_you_mean(name, field_names()) or "."
            raise ValueError(
                f"{where}: {name!r} is not a field of a trial{hint} Fields: "
                + ", ".join(field_names())
            )


def number_type(name: str) -> type[int] | type[float] | None:
    """Type of a field that holds a single number; None for other fields."""
    kind = _fields()[name][0].plain
    return kind if kind in (int, float) else None


def describe_fields() -> list[tuple[str, str, str]]:
    """Name, type and meaning of every field, for tables of the fields."""
    return [
        (f.name, _fields()[f.name][0].name, str(f.metadata["description"])) for f in fields(Trial)
    ]


@cache
def _fields() -> dict[str, tuple[FieldType, Rule]]:
    """Declared type and rule of every field."""
    kinds = get_type_hints(Trial)
    return {f.name: (FieldType.of(kinds[f.name]), f.metadata["rule"]) for f in fields(Trial)}
