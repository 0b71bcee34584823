"""Schedules of the user's own: their settings, their rates, and a check of a whole run.

A schedule is a function that is called as ``schedule(step, steps=..., max_lr=...)`` and returns
`Rates`, or the learning rate alone, with which momentum is constant. It may name further fields of
a trial that belong to schedules, such as momentum or warmup_fraction, and gives each a default.
"""

import inspect
import math
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any

from superconv_ray.design.own_functions import OwnFunction
from superconv_ray.design.schedules.rates import MOMENTUM, Rates


@cache
def own_parameters(function: Callable[..., Any], fields: tuple[str, ...]) -> Mapping[str, object]:
    """Map the settings that a schedule uses, except `steps`, to their default.

    Args:
        function: The user's schedule.
        fields: Fields of a trial that belong to schedules.

    Raises:
        ValueError: It cannot be called as above, or has a further parameter without a default.
    """
    named = inspect.signature(function).parameters
    call = f"{function.__name__}(step, steps=..., max_lr=...)"
    try:
        inspect.signature(function).bind(0, steps=1, max_lr=1.0)
    except TypeError as error:
        raise ValueError(
            f"policy {function.__name__!r} must be callable as {call}, with a default for every "
            f"further parameter: {error}"
        ) from None
    empty = inspect.Parameter.empty
    given = {name: it.default for name, it in named.items() if name in fields}
    return MappingProxyType({"momentum": MOMENTUM, **given, "max_lr": empty})


def own_rates(policy: OwnFunction, settings: Mapping[str, Any], step: int) -> Rates:
    """Return what a schedule gives for a step.

    Args:
        policy: The user's schedule.
        settings: Those of `own_parameters`, and steps.
        step: Counts from 0.

    Raises:
        ValueError: It returns neither rates nor a number, or raises an exception.
    """
    given = {
        n: v for n, v in settings.items() if n != "momentum" or _takes_momentum(policy.function)
    }
    try:
        value = policy.function(step, **given)
        lr, momentum = value if isinstance(value, tuple) else (value, settings["momentum"])
        return Rates(float(lr), float(momentum))
    except Exception as error:
        raise ValueError(
            f"policy {str(policy)!r} must return Rates or a learning rate, but step {step} of "
            f"{settings['steps']} gives {type(error).__name__}: {error}"
        ) from error


def check_run(policy: OwnFunction, settings: Mapping[str, Any]) -> tuple[float, float]:
    """Check a schedule over a whole run; return its smallest and largest momentum.

    Args:
        policy: The user's schedule.
        settings: As for `own_rates`.

    Raises:
        ValueError: A learning rate is negative, not finite or above max_lr, or all are 0; momentum
            is not in [0, 1); or a step does not have the same rates when it is asked for again.
    """
    return _checked(policy.function, policy, tuple(settings.items()))


# By the function itself, because own functions are equal if their names are.
@lru_cache(maxsize=4096)
def _checked(
    _: Callable[..., Any], policy: OwnFunction, settings: tuple[tuple[str, Any], ...]
) -> tuple[float, float]:
    given = dict(settings)
    steps, max_lr = given["steps"], given["max_lr"]
    rates = [own_rates(policy, given, step) for step in range(steps)]
    for step, (lr, momentum) in enumerate(rates):
        at = f"in step {step} of {steps} with max_lr={max_lr}"
        # Learning rates that are computed from max_lr may exceed it by a rounding error.
        if not 0 <= lr <= max_lr * (1 + 1e-9):
            raise ValueError(
                f"policy {str(policy)!r} must give a rate in [0, max_lr], got {lr} {at}"
            )
        if not (0 <= momentum < 1 or math.isnan(given["momentum"])):
            raise ValueError(
                f"policy {str(policy)!r} must give a momentum in [0, 1), got {momentum} {at}"
            )
    if not any(lr for lr, _ in rates):
        raise ValueError(f"policy {str(policy)!r} must not give a rate of 0 in all {steps} steps")
    for step in {0, steps // 3, steps // 2, steps - 1}:
        if str(own_rates(policy, given, step)) != str(rates[step]):
            raise ValueError(
                f"policy {str(policy)!r} must be a function of the step alone, so that a run can "
                f"continue from a checkpoint; step {step} gave {tuple(rates[step])} at first and "
                f"{tuple(own_rates(policy, given, step))} later"
            )
    momenta = [momentum for _, momentum in rates]
    return min(momenta), max(momenta)


@cache
def _takes_momentum(function: Callable[..., Any]) -> bool:
    named = inspect.signature(function).parameters
    return "momentum" in named or any(it.kind is it.VAR_KEYWORD for it in named.values())
