"""The user's own functions as values of trial fields: ``Arm(loss=my_loss)``.

A trial field that takes functions holds the name of a built-in one or an `OwnFunction`: a string
with the function's name, which tables, messages and ids use, that also carries the function. The
trial's field ``<field>_digest`` has a hash of its source.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from functools import cached_property
from pathlib import PurePath
from typing import Any, Self, TypeAlias

from superconv_ray.design.pipelines import is_pipeline, pipeline_digest, pipeline_name
from superconv_ray.design.source_text import source_text

NameOrFunction: TypeAlias = str | Callable[..., Any]
"""Type of a trial field that takes the name of a built-in function or a function of the user's."""


class OwnFunction(str):
    """Name of a function of the user's that carries the function.

    Args:
        function: Defined with ``def`` or ``class``, so that it has a name and a source; or a
            pipeline of torchvision's transforms.

    Attributes:
        function: The function.

    Raises:
        TypeError: It is a lambda, a partial, a bound method, or another object; the message
            completes "<field> must be".
    """

    function: Callable[..., Any]

    def __new__(cls, function: Callable[..., Any]) -> Self:
        """Return the function's name; see the class."""
        if is_pipeline(function):
            name = pipeline_name(function)
        elif not (inspect.isfunction(function) or inspect.isclass(function)):
            raise TypeError(f"{_KIND}, got {function!r}: define one that calls it")
        elif function.__name__ == "<lambda>":
            raise TypeError(f"{_KIND}, got a lambda, which has no name: define it with def")
        else:
            name = function.__name__
        made = super().__new__(cls, name)
        made.function = function
        return made

    @cached_property
    def digest(self) -> str:
        """16 hex digits of a SHA-256 over the function's source and the values it closes over.

        The source of what it calls is not covered. Of a pipeline, its transforms and their settings
        are.

        Raises:
            ValueError: The source cannot be read, or an enclosed value is no number, text or code.
        """
        if is_pipeline(self.function):
            return pipeline_digest(str(self), self.function)
        return source_digest(repr(str(self)), self.function)

    def __reduce__(self) -> tuple[Any, ...]:
        # With the digest: another machine does not have the source.
        self.digest  # noqa: B018 - computed into the state
        return _restored, (type(self), str(self), vars(self))


_KIND = "a built-in name, a function that is defined with def, or a class"


def _restored(cls: type[OwnFunction], name: str, state: dict[str, Any]) -> OwnFunction:
    made = str.__new__(cls, name)
    vars(made).update(state)
    return made


def named(field: str, value: Any) -> Any:
    """Return a field's value, a function as an `OwnFunction`.

    Raises:
        TypeError: It is a function without a name; see `OwnFunction`.
    """
    if not callable(value):
        return value
    try:
        return OwnFunction(value)
    except TypeError as error:
        raise TypeError(f"{field} must be {error}") from None


def digest_of(value: Any) -> str | None:
    """Return the digest of an own function; None for the name of a built-in one."""
    return value.digest if isinstance(value, OwnFunction) else None


def source_digest(what: str, function: Callable[..., Any]) -> str:
    """Hash the source of a function or class, so that an edited one makes new trials.

    Args:
        what: What it is, for messages.
        function: What to hash. Plain values that it closes over count as well.

    Raises:
        ValueError: The source cannot be read, or the function closes over something else.
    """
    try:
        text = source_text(function)
    except (OSError, TypeError):
        raise ValueError(
            f"{what} must be a function or class whose source can be read, because trial ids "
            "change with it: define it in a file, or in a notebook cell without a cell magic; "
            f"got {function!r}"
        ) from None
    return hashlib.sha256((text + _enclosed(what, function)).encode()).hexdigest()[:16]


def _enclosed(what: str, function: Callable[..., Any]) -> str:
    """The values of the variables of an enclosing function that a function uses; empty if none."""
    enclosed = inspect.getclosurevars(function).nonlocals if inspect.isfunction(function) else {}
    values = []
    for name, value in sorted(enclosed.items()):
        if callable(value) or inspect.ismodule(value):
            continue  # code, of which only the function's own is hashed
        try:
            values.append(f"{name}={_text_of(value)}")
        except TypeError as error:
            raise ValueError(
                f"{what} uses the variable {name!r} of the function around it, which holds a "
                f"{error}: only numbers, text, paths, and lists and mappings of them are known to "
                "be the same in the next run; define the variable inside"
            ) from None
    return ", ".join(values)


def _text_of(value: Any) -> str:
    """A text that is equal for equal plain values, in every process.

    Raises:
        TypeError: The value is not plain; the message is its type's name.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return repr(value)
    if isinstance(value, PurePath):
        return repr(value.as_posix())
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_text_of, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_text_of(k)}: {_text_of(v)}' for k, v in value.items())}}}"
    raise TypeError(type(value).__name__)
