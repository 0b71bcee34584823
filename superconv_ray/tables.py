"""Tables for the terminal; standard library only, so that `plan` stays fast."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def text_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns aligned: the first left, the others right."""
    lines = [list(headings), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headings))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def interval_text(mean: float, low: float, high: float, sign: str = "") -> str:
    """A share in per cent and its interval, 85.2 [82.1, 88.3]; the mean alone if there is none.

    Args:
        mean: The share.
        low: Lower end of its interval, NaN if there is none.
        high: Upper end.
        sign: "+" for a difference, whose sign is always shown.
    """
    text = f"{100 * mean:{sign}.1f}"
    if math.isnan(low):
        return text
    return f"{text} [{100 * low:{sign}.1f}, {100 * high:{sign}.1f}]"
