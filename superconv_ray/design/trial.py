"""Trials: everything that determines one training run, flat, validated and hashed to an id."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property, partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from superconv_ray.design import schedules
from superconv_ray.design.implied import IMPLIED, implied_with
from superconv_ray.design.metrics import metric_of
from superconv_ray.design.own_functions import OwnFunction, digest_of
from superconv_ray.design.text import trial_name
from superconv_ray.design.trial_fields import (
    TrialFields,
    check_field_names,
    declared_fields,
    field_names,
    function_fields,
    schedule_fields,
)
from superconv_ray.design.update_rules import optimizer_facts

RESULTS_VERSION = 1
"""Part of every id. Raise it when a change of this package makes the same settings train
differently, so that old rows are never mistaken for new ones."""

NOT_DETERMINING = ("data_fraction", "metric_unit")
"""Fields that say how something was requested or is shown, not what is trained."""
DEFAULT_BN_MOMENTUM = 0.1
"""PyTorch's default."""

MOMENTA = ("momentum", "min_momentum")
"""Fields that state the momentum of a run."""
NEED_MOMENTUM = frozenset({"nesterov", "schedule_free_sgd", "schedule_free_adamw"})

_Kind = TypeVar("_Kind", bound="Trial")


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial(TrialFields):
    """Settings of one training run or LR range test; every field is a column of the trials table.

    ``None`` means "not set": a study's ``base`` is a template that the study fills in. `complete`
    returns the trial that can run. `describe_fields` lists the fields with their units.

    Raises:
        ValueError: A value breaks its field's rule; the message names field, rule and value.
        TypeError: A value does not have its field's declared type, or there is no such field.
    """

    def __new__(cls, **settings: Any) -> Self:
        """Reject unknown fields with a better message than Python's own."""
        if not settings.keys() <= cls.__dataclass_fields__.keys():
            try:
                check_field_names(settings, "Trial(...)")
            except ValueError as error:
                raise TypeError(str(error)) from None
        return object.__new__(cls)

    def __post_init__(self) -> None:
        for name in declared_fields():
            self._set(name, getattr(self, name))
        for name in function_fields():
            given = getattr(self, f"{name}_digest")
            if given and given != digest_of(getattr(self, name)):
                raise ValueError(f"{name}_digest cannot be set, it is computed; got {given!r}")
        self._finish()

    def _set(self, name: str, value: Any) -> None:
        """Set a field of this frozen object to a value that is cast and checked."""
        kind, rule = declared_fields()[name]
        value = kind.cast(name, value)
        if value is not None:
            rule.check(name, value)
        object.__setattr__(self, name, value)

    def _finish(self) -> None:
        """Compute the digests; check rules that span two fields, unless the policy uses neither."""
        for name in function_fields():
            value = getattr(self, name)
            # Most are names of built-in functions, and of a million trials.
            if isinstance(value, OwnFunction) or getattr(self, f"{name}_digest"):
                object.__setattr__(self, f"{name}_digest", digest_of(value))
        self._check_metric()
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
        if self.optimizer in NEED_MOMENTUM and self.momentum == 0:
            raise ValueError(f"momentum must be > 0 for optimizer {self.optimizer!r}, got 0.0")
        if (
            "min_momentum" in used
            and self.momentum is not None
            and self.min_momentum is not None
            and self.min_momentum > self.momentum
        ):
            raise ValueError(
                f"min_momentum must be <= momentum ({self.momentum}), got {self.min_momentum}"
            )
        if "cooldown_fraction" in used and self.cooldown_fraction is not None:
            longest = 1 - (self.warmup_fraction or 0.0)
            if self.cooldown_fraction > longest:
                raise ValueError(
                    f"cooldown_fraction must be <= {longest:g}, what warmup_fraction leaves, "
                    f"got {self.cooldown_fraction}"
                )

    def _check_metric(self) -> None:
        if isinstance(self.metric, OwnFunction) and self.metric_goal is None:
            raise ValueError(
                "metric_goal must be 'maximize' or 'minimize' for your own metric "
                f"{str(self.metric)!r}, got None"
            )
        if self.metric_goal and not isinstance(self.metric, OwnFunction):
            raise ValueError(
                f"metric_goal is for your own metrics; got {self.metric_goal!r} for metric "
                f"{self.metric or 'accuracy'!r}, whose better direction is known"
            )
        if self.metric_unit and metric_of(self.settings()).share:
            raise ValueError(
                f"metric_unit must be None for metric {self.metric or 'accuracy'!r}, which is "
                f"shown in percent; got {self.metric_unit!r}"
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
        used = schedules.parameters(self.policy)
        unused = {name: "policy" for name in schedule_fields() if name not in used}
        if self.loss not in (None, "cross_entropy"):
            unused["label_smoothing"] = "loss"
        if self.policy == "one_cycle" and self.cycle_end == "final_lr":
            unused.setdefault("tail", "cycle_end")
        for name in optimizer_facts(self.optimizer).unused_fields:
            unused.setdefault(name, "optimizer")
        if not self.weight_decay:
            unused["weight_decay_on"] = "weight_decay"
        if self.ghost_batch_size == self.batch_size:
            unused["ghost_batch_size"] = "batch_size"
        return unused

    def settings(self) -> dict[str, Any]:
        """Map field names to values, in the order of declaration."""
        names = self.__dataclass_fields__
        return dict(zip(names, _values(tuple(names))(self), strict=True))

    def own_functions(self) -> dict[str, OwnFunction]:
        """Map field names to the user's own functions among the settings."""
        values = ((name, getattr(self, name)) for name in function_fields())
        return {name: value for name, value in values if isinstance(value, OwnFunction)}

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
        momentum: float | None
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
        if isinstance(self.policy, OwnFunction):
            self._check_own_schedule(self.policy)

    def holds_momentum(self) -> bool:
        """Return whether every step has the trial's momentum."""
        if isinstance(self.policy, OwnFunction):
            momenta = schedules.check_run(self.policy, self._schedule_settings())
            return momenta == (self.momentum, self.momentum)
        return self.min_momentum in (None, self.momentum)

    def _check_own_schedule(self, policy: OwnFunction) -> None:
        low, high = schedules.check_run(policy, self._schedule_settings())
        facts = optimizer_facts(self.optimizer)
        if low < high and facts.momentum and not facts.momentum_varies:
            raise ValueError(
                f"policy {str(policy)!r} must keep momentum constant for optimizer "
                f"{str(self.optimizer)!r}, got {low} to {high}"
            )

    def _defaults(self) -> dict[str, Any]:
        return {
            **IMPLIED,
            **schedules.parameters(self.policy),
            **self._following_momentum(),
            "bn_momentum": _bn_momentum(self.bn_momentum_steps, self.steps),
            "beta2": optimizer_facts(self.optimizer).beta2,
            "weight_decay_on": "all",
            "subset_seed": self.seed,
            "eval_interval": max(1, self.steps // 20),
        }

    def _following_momentum(self) -> dict[str, float]:
        """min_momentum as far below a given momentum as the policy's own are from each other."""
        own = schedules.parameters(self.policy)
        momentum, least = own.get("momentum"), own.get("min_momentum")
        if self.momentum is None or not isinstance(momentum, float) or not isinstance(least, float):
            return {}
        return {"min_momentum": max(0.0, round(self.momentum - (momentum - least), 9))}

    @cached_property
    def id(self) -> str:
        """20 hex digits of a SHA-256 of everything that determines the result.

        `NOT_DETERMINING` is left out, and so are fields that are None, off, or as in `IMPLIED`.
        ``deterministic=True`` is part of it even where a CPU gives the same bits without: a row
        that was computed without it cannot promise what it does.
        """
        implied = implied_with(partial(getattr, self)).items()
        determining = dict(item for item in self.own_settings().items() if item not in implied)
        for name in NOT_DETERMINING:
            determining.pop(name, None)
        text = json.dumps({"version": RESULTS_VERSION, **determining}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def schedule(self) -> Callable[[int], schedules.Rates]:
        """Return learning rate and momentum as a function of the step, which counts from 0.

        Momentum is NaN if the optimizer has none.
        """
        if isinstance(self.policy, OwnFunction):
            return partial(schedules.own_rates, self.policy, self._schedule_settings())
        return partial(schedules.POLICIES[str(self.policy)], **self._schedule_settings())

    def _schedule_settings(self) -> dict[str, Any]:
        used = ("steps", *schedules.parameters(self.policy))
        settings = {name: getattr(self, name) for name in used}
        if self.momentum is None:
            settings["momentum"] = math.nan
        return settings

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
def _determining() -> tuple[str, ...]:
    return tuple(name for name in field_names() if name not in NOT_DETERMINING)


@cache
def _values(names: tuple[str, ...]) -> attrgetter[tuple[Any, ...]]:
    return attrgetter(*names)
