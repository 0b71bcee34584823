"""Words and numbers as people read them, for all messages, tables and charts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any


def did_you_mean(value: object, choices: Iterable[str]) -> str:
    """Return a hint at the nearest choice for the end of a message; empty if nothing is near."""
    near = get_close_matches(str(value).lower(), list(choices), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def duration(seconds: float) -> str:
    """Format a waiting time with two figures at most: 50 s, 12 min, 3.5 h."""
    if seconds > 5400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds > 90 else f"{seconds:.0f} s"


def unknown_name(field: str, value: str, choices: Iterable[str]) -> str:
    """Return the message for a data set or model that is neither built in nor the study's own."""
    choices = list(choices)
    return (
        f"{field} must be one of {', '.join(map(repr, choices))} or given to the study as "
        f"{field}s={{...}}, got {value!r}{did_you_mean(value, choices)}"
    )


def percent_interval(row: Mapping[Any, Any], sign: str = "") -> str:
    """Format the mean and interval of a fraction in percent, such as ``97.1 [96.2, 97.9]``.

    Args:
        row: Has mean, low and high; low and high are NaN if there is only one seed.
        sign: "+" shows the sign of a difference.
    """
    text = f"{100 * row['mean']:{sign}.1f}"
    if math.isnan(row["low"]):
        return f"{text} [one seed]"
    return f"{text} [{100 * row['low']:{sign}.1f}, {100 * row['high']:{sign}.1f}]"


def probability(p: float) -> str:
    """Format a p value with three digits; NaN becomes "-"."""
    if math.isnan(p):
        return "-"
    return f"{p:.3f}" if p >= 0.001 else "<0.001"


def short(value: Any) -> str:
    """Format a setting for a table: 0.1, digits, 0.5/0.75, or "-" if it is not set."""
    if isinstance(value, Mapping):  # a call, as a study's definition holds it
        return call_text(value, short)
    if isinstance(value, (list, tuple)):
        return "/".join(map(short, value))
    if value is None or str(value) in ("nan", "<NA>"):  # missing values of a table
        return "-"
    return f"{value:g}" if isinstance(value, float) else str(value)


def call_text(value: Mapping[str, Any], text: Callable[[Any], str]) -> str:
    """Format ``{"tuned": {"low": 0.01, "high": 10}}`` as ``tuned(low=0.01, high=10)``."""
    name, given = next(iter(value.items()))
    if not isinstance(given, Mapping):
        return f"{name}({text(given)})"
    arguments = ", ".join(f"{k}={text(v)}" for k, v in given.items() if v is not None)
    return f"{name}({arguments})"


COLUMN_NAMES = {"data_count": "labels", "batch_size": "batch size"}
"""Names of columns in text, where they differ from the column."""


def column_name(column: str) -> str:
    """Name a column in text."""
    return COLUMN_NAMES.get(column, column)


def setting_text(column: str, value: Any) -> str:
    """Format a column's value for a sentence: "300 labels", "dropout 0.1"."""
    text = value_text(value)
    return f"{text} labels" if column == "data_count" else f"{column_name(column)} {text}"


def value_text(value: Any) -> str:
    """Format a setting for a sentence: 1,200, 0.001, flip."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"{value:,}" if isinstance(value, int) else short(value)


def in_words(items: Iterable[str]) -> str:
    """Join items: "a", "a and b", "a, b and c"."""
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last


def counted(number: int, noun: str) -> str:
    """Format a number with its noun: "1 seed", "1,200 seeds"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def bytes_text(number: int) -> str:
    """A size in memory: "184 MiB"."""
    value, unit = float(number), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"


def text_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Align columns: the first to the left, the others to the right."""
    lines = [list(headings), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headings))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def trial_name(settings: Mapping[str, Any]) -> str:
    """Name a trial by its main settings, which may come from its row."""
    text = "{dataset} n={data_count} {model} {policy} max_lr={max_lr:g} seed={seed}"
    return text.format_map(settings)


def trial_line(row: Mapping[str, Any]) -> str:
    """Describe a finished trial in one line, from its row without missing values."""
    line = f"{trial_name(row)}: {row['status']}"
    for part in ("test", "validation"):
        accuracy = row.get(f"{part}_accuracy")
        if accuracy is not None:
            line += f", {part} accuracy {100 * accuracy:.1f} %"
    seconds = row.get("train_seconds")
    return line + (f", {seconds:.1f} s" if seconds is not None else "")
