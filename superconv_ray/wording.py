"""Words that error messages share; standard library only."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(value: object, choices: Iterable[str]) -> str:
    """A hint at the nearest choice, to be put at the end of a message, or nothing."""
    near = get_close_matches(str(value).lower(), list(choices), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def unknown_name(field: str, value: str, choices: Iterable[str]) -> str:
    """What to say of a data set or model that neither this package nor the study knows."""
    choices = list(choices)
    return (
        f"{field} must be one of {', '.join(map(repr, choices))} or given to the study as "
        f"{field}s={{...}}, got {value!r}{did_you_mean(value, choices)}"
    )
