"""How a trial's fields are declared: the rule of each value, its description and its type."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

from superconv_ray.design.own_functions import OwnFunction, named
from superconv_ray.design.text import did_you_mean


@dataclass(frozen=True)
class Rule:
    """Requirement on a field's value, in words and as a test.

    Attributes:
        text: Completes "must be ...".
        holds: Whether a value meets the requirement.
        choices: All allowed values, if they can be listed.
    """

    text: str
    holds: Callable[[Any], bool]
    choices: tuple[str, ...] = ()

    def check(self, name: str, value: Any) -> None:
        """Raise a `ValueError` that names the field, the rule and the value, if it is broken."""
        if isinstance(value, OwnFunction):
            if value in self.choices:
                raise ValueError(f"{name}: {value!r} is the name of a built-in one; rename yours")
        elif not self.holds(value):
            hint = did_you_mean(value, self.choices)
            raise ValueError(f"{name} must be {self.text}, got {value!r}{hint}")


def one_of(choices: tuple[str, ...]) -> Rule:
    """Return the rule that a value must be among these."""
    return Rule("one of " + ", ".join(map(repr, choices)), choices.__contains__, choices)


FRACTION = Rule("in (0, 1]", lambda v: 0 < v <= 1)
SHARE = Rule("in [0, 1)", lambda v: 0 <= v < 1)
POSITIVE = Rule("finite and > 0", lambda v: math.isfinite(v) and v > 0)
FINITE = Rule("finite", math.isfinite)
NOT_NEGATIVE = Rule("finite and >= 0", lambda v: math.isfinite(v) and v >= 0)
HELD_OUT = Rule("in (0, 1)", lambda v: 0 < v < 1)
COUNT = Rule("an integer in [1, 2**63)", lambda v: 1 <= v < 2**63)
TWO_OR_MORE = Rule("an integer in [2, 2**63)", lambda v: 2 <= v < 2**63)
SEED = Rule("an integer in [0, 2**31)", lambda v: 0 <= v < 2**31)
DIVISOR = Rule("finite and >= 1", lambda v: math.isfinite(v) and v >= 1)
IMAGE_SIZES = Rule(
    "one or more whole numbers of pixels >= 1", lambda v: len(v) > 0 and all(s >= 1 for s in v)
)
MILESTONES = Rule(
    "strictly increasing fractions of the run in (0, 1)",
    lambda v: all(0 < m < 1 for m in v) and all(a < b for a, b in pairwise(v)),
)
NAME = Rule("a non-empty name", lambda v: bool(v.strip()))
SWITCH = Rule("True or False", lambda v: v in (True, False))


def setting(rule: Rule, description: str, default: Any = None) -> Any:
    """Declare a field of a trial."""
    return field(default=default, metadata={"rule": rule, "description": description})


@dataclass(frozen=True)
class FieldType:
    """Declared type of a field, such as ``int | None``.

    Attributes:
        plain: The type without the None; for a tuple, its origin.
        item: Type of a tuple's items.
        optional: Whether None is allowed.
        functions: Whether a function of the user's is allowed, which becomes an `OwnFunction`.
    """

    plain: type
    optional: bool
    functions: bool = False
    item: type = float

    @classmethod
    def of(cls, declared: Any) -> FieldType:
        """Return the type that an annotation declares."""
        members = get_args(declared) if isinstance(declared, UnionType) else (declared,)
        plain = next(member for member in members if member is not NoneType)
        functions = any(get_origin(member) is Callable for member in members)
        if get_origin(plain) is tuple:
            return cls(tuple, NoneType in members, functions, get_args(plain)[0])
        return cls(plain, NoneType in members, functions)

    @property
    def name(self) -> str:
        """The type's name for people."""
        return f"tuple of {self.item.__name__}" if self.plain is tuple else self.plain.__name__

    def cast(self, name: str, value: Any) -> Any:
        """Convert a value to the one Python type of its field, so that equal settings hash equally.

        Args:
            name: Field name, for the message.
            value: What the user gave.

        Raises:
            TypeError: The value cannot be converted without loss.
        """
        plain = self.plain
        if value is None and self.optional:
            return None
        if isinstance(value, bool):
            if plain is bool:  # elsewhere it is not a count, although an Integral
                return value
        elif plain is float and isinstance(value, float | Real):  # float first: it is fast
            try:
                return float(value) + 0.0  # -0.0 becomes 0.0
            except OverflowError:
                raise ValueError(f"{name} must be below 2**1024, got a larger integer") from None
        elif plain is int and isinstance(value, int | Integral):
            return int(value)
        elif plain is int and isinstance(value, Real) and float(value).is_integer():
            return int(float(value))
        elif isinstance(value, OwnFunction) or callable(value):
            if self.functions:
                return named(name, value)
        elif plain is str and isinstance(value, str):
            return str(value)
        elif plain is tuple and isinstance(value, (tuple, list)):
            number = FieldType(self.item, optional=False)
            return tuple(number.cast(f"{name}[{i}]", item) for i, item in enumerate(value))
        raise TypeError(f"{name} must be of type {self.name}, got {value!r}")


def checked(name: str, value: Any, declared: Any, rule: Rule) -> Any:
    """Convert a value to a declared type, such as ``int | None``, and check it by a rule.

    Raises:
        TypeError: The value cannot be converted without loss.
        ValueError: It breaks the rule.
    """
    cast = FieldType.of(declared).cast(name, value)
    if cast is not None:
        rule.check(name, cast)
    return cast


def number(name: str, value: Any, rule: Rule) -> float:
    """Check a number by a rule; an integer stays one, and is shown as it was given.

    Raises:
        TypeError, ValueError: As `checked`.
    """
    cast: float = FieldType.of(float).cast(name, value)
    kept = int(value) if isinstance(value, Integral) else cast
    rule.check(name, kept)
    return kept


def check_attributes(owner: object, rules: Mapping[str, tuple[Any, Rule]], where: str = "") -> None:
    """Convert and check attributes of a frozen dataclass; see `checked`.

    Args:
        owner: The object.
        rules: Declared type and rule by name of the attribute.
        where: Put before the names in messages.
    """
    for name, (declared, rule) in rules.items():
        value = checked(f"{where}{name}", getattr(owner, name), declared, rule)
        object.__setattr__(owner, name, value)
