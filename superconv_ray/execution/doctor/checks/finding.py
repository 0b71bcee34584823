"""A finding, and how it names nodes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "skipped", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """Result of one check.

    Attributes:
        level: "ok"; "skipped": not checked; "warning": a study runs, with a disadvantage;
            "problem": a study does not run, or is not safe.
        subject: What was checked, in one word.
        text: What was found, with the nodes' names.
        advice: What to do.
    """

    level: Level
    subject: str
    text: str
    advice: str = ""


def listed(names: Iterable[str]) -> str:
    """Return the first three names, and how many more there are."""
    first, *rest = list(names)
    more = len(rest) - 2
    return ", ".join([first, *rest[:2]]) + (f" and {more} more" if more > 0 else "")
