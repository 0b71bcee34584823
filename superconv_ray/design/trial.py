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
from superconv_ray.design.own_functions import OwnFunction, digest_of
from superconv_ray.design.text import trial_name
from superconv_ray.design.trial_fields import (
    TrialFields,
    check_field_names,
    declared_fields,
    digest_fields,
    field_names,
    function_fields,
)
from superconv_ray.design.trial_rules import check_together
from superconv_ray.design.update_rules import optimizer_facts

RESULTS_VERSION = 1
"""Part of every id. Raise it when a change of this package makes the same settings train
differently, so that old rows are never mistaken for new ones."""

NOT_DETERMINING = ("data_fraction", "metric_unit")
"""Fields that say how something was requested or is shown, not what is trained."""
DEFAULT_BN_MOMENTUM = 0.1
"""PyTorch's default."""

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
        # Taken before the first is set, because a function's digest is set with it.
        settings = {name: getattr(self, name) for name in declared_fields()}
        for name, value in settings.items():
            self._set(name, value)
        for name, digest in digest_fields().items():
            given, computed = getattr(self, digest), digest_of(getattr(self, name))
            if given and given != computed:
                raise ValueError(f"{digest} cannot be set, it is computed; got {given!r}")
            object.__setattr__(self, digest, computed)
        self._finish()

    def _set(self, name: str, value: Any) -> None:
        """Set a field of this frozen object to a value that is cast and checked, and its digest."""
        kind, rule = declared_fields()[name]
        value = kind.cast(name, value)
        if value is not None:
            rule.check(name, value)
        object.__setattr__(self, name, value)
        if kind.functions:
            object.__setattr__(self, digest_fields()[name], digest_of(value))

    def _finish(self) -> None:
        """Check the rules that span several fields."""
        check_together(self)

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

        Raises:
            ValueError, TypeError: As `Trial`, or as the kind.
        """
        return self.draft(kind, **settings).finished()

    def draft(self, kind: type[_Kind], **settings: Any) -> _Kind:
        """Return what `to` does, but unfinished: call `finished` before anything else sees it.

        Plans of a million trials are made by it: the constructor would cast and check every value
        again, this only the changed ones, and `finished` the rules that span several fields.

        Raises:
            ValueError, TypeError: A changed value breaks its field's rule.
        """
        made = object.__new__(kind)
        for put, value in zip(_setters(), _values(field_names())(self), strict=True):
            put(made, value)
        for name, value in settings.items():
            made._set(name, value)
        return made

    def finished(self, **settings: Any) -> Self:
        """Return this draft, after further settings and the checks of its kind.

        Raises:
            ValueError, TypeError: As `Trial`, or as the kind.
        """
        for name, value in settings.items():
            self._set(name, value)
        self._finish()
        return self

    def unused_fields(self) -> dict[str, str]:
        """Map every field that the run ignores to the field whose value causes that."""
        unused = dict.fromkeys(schedules.unused_fields(self.policy), "policy")
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
        values = zip(function_fields(), _values(function_fields())(self), strict=True)
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
            if getattr(self, name) is not None:
                object.__setattr__(self, name, None)
        Trial._finish(self)
        if isinstance(self.policy, OwnFunction):
            self._check_own_schedule(self.policy)

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
            "bn_momentum": _bn_momentum(self.bn_momentum_steps, self.steps),
            "beta2": optimizer_facts(self.optimizer).beta2,
            "weight_decay_on": "all",
            "subset_seed": self.seed,
            "eval_interval": max(1, self.steps // 20),
        }

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
def _setters() -> tuple[Callable[[Trial, Any], None], ...]:
    """What sets each field of a frozen trial, without a search for its name."""
    return tuple(getattr(TrialFields, name).__set__ for name in field_names())


@cache
def _values(names: tuple[str, ...]) -> attrgetter[tuple[Any, ...]]:
    return attrgetter(*names)
