"""Words that messages share; standard library only."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(value: object, choices: Iterable[str]) -> str:
    """A hint at the nearest choice, to be put at the end of a message, or nothing."""
    near = get_close_matches(str(value).lower(), list(choices), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def duration(seconds: float) -> str:
    """A time to wait for, to two figures at most: 50 s, 12 min, 3.5 h."""
    if seconds > 5400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds > 90 else f"{seconds:.0f} s"


def unknown_name(field: str, value: str, choices: Iterable[str]) -> str:
    """What to say of a data set or model that neither this package nor the study knows."""
    choices = list(choices)
    return (
        f"{field} must be one of {', '.join(map(repr, choices))} or given to the study as "
        f"{field}s={{...}}, got {value!r}{did_you_mean(value, choices)}"
    )
