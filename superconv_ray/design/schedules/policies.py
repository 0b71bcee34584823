"""The policies by name, and their settings."""

import functools
import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from superconv_ray.design.own_functions import NameOrFunction, OwnFunction
from superconv_ray.design.schedules.cycles import exp_range, one_cycle, triangular, triangular2
from superconv_ray.design.schedules.decays import (
    constant,
    cosine,
    inv,
    linear,
    piecewise,
    power,
    rex,
    wsd,
)
from superconv_ray.design.schedules.own import own_parameters
from superconv_ray.design.schedules.range_tests import range_test_exponential, range_test_linear
from superconv_ray.design.schedules.rates import Policy

POLICIES: Final[Mapping[str, Policy]] = MappingProxyType(
    {
        "one_cycle": one_cycle,
        "range_test_linear": range_test_linear,
        "range_test_exponential": range_test_exponential,
        "triangular": triangular,
        "triangular2": triangular2,
        "exp_range": exp_range,
        "piecewise": piecewise,
        "constant": constant,
        "inv": inv,
        "cosine": cosine,
        "linear": linear,
        "power": power,
        "rex": rex,
        "wsd": wsd,
    }
)
"""All policies by name."""

RANGE_TESTS: Final = frozenset({"range_test_linear", "range_test_exponential"})
"""Policies that search for a learning rate instead of training a network well."""
CYCLES: Final = frozenset({"one_cycle", "triangular", "triangular2", "exp_range"})
"""Policies that raise the learning rate and lower it again; all others only decay it."""

# The marker of `inspect` is one object per process, so `is` still works after pickling.
REQUIRED: Final[object] = inspect.Parameter.empty
"""Marks a parameter without a default in `parameters`."""


def parameters(policy: NameOrFunction) -> Mapping[str, object]:
    """Map the settings that a policy uses, except `steps`, to their default or `REQUIRED`.

    Raises:
        ValueError: There is no policy of that name, or the user's own schedule does not have the
            parameters of one.
    """
    if isinstance(policy, OwnFunction):
        return own_parameters(policy.function, fields_of_policies())
    return _built_in_parameters(str(policy))


def unused_fields(policy: NameOrFunction) -> tuple[str, ...]:
    """Return the settings of other policies that a policy does not use.

    Raises:
        ValueError: As `parameters`.
    """
    if isinstance(policy, OwnFunction):
        return _without(parameters(policy))
    return _unused_by_built_in(str(policy))


def _without(used: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(name for name in fields_of_policies() if name not in used)


@functools.cache
def _unused_by_built_in(policy: str) -> tuple[str, ...]:
    return _without(_built_in_parameters(policy))


@functools.cache
def fields_of_policies() -> tuple[str, ...]:
    """Names of the settings of all policies."""
    names = (name for policy in POLICIES for name in _built_in_parameters(policy))
    return tuple(dict.fromkeys(names))


@functools.cache
def _built_in_parameters(policy: str) -> Mapping[str, object]:
    if policy not in POLICIES:
        choices = ", ".join(map(repr, sorted(POLICIES)))
        raise ValueError(f"policy must be one of {choices}, got {policy!r}")
    settings = inspect.signature(POLICIES[policy]).parameters
    return MappingProxyType(
        {name: it.default for name, it in settings.items() if name not in ("step", "steps")}
    )
