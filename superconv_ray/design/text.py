"""Numbers, names and tables as text, the same in every command, page, export and message.

Standard library only.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

WIDTH = 80
"""Characters in a line of a terminal."""
INTERVAL = r"([-+]?\d[\d.]* )?\[[^][]{,30}\]"
"""Pattern of an interval, with its estimate if there is one: 0.4 [-1.1, +1.6]."""

# Numbers

LARGE = 10_000_000
"""Decimal numbers from here on are in scientific notation."""


def duration(seconds: float) -> str:
    """A duration to two or three digits: 1.5 s, 50 s, 12 min, 3.5 h, 2.5 days."""
    if seconds > 48 * 3600:
        return f"{seconds / 86400:.1f} days"
    if seconds > 5400:
        return f"{seconds / 3600:.1f} h"
    if seconds > 90:
        return f"{seconds / 60:.0f} min"
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"


def bytes_text(number: int) -> str:
    """A size in memory: "184 MiB"."""
    value, unit = float(number), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"


def interval_text(mean: float, low: float, high: float, form: str) -> str:
    """An estimate with its interval, such as ``85.2 [82.1, 88.3]``; without one if it is NaN.

    Args:
        mean: The estimate.
        low: Lower end.
        high: Upper end.
        form: Format of a number, such as ``.1f``.
    """
    text = f"{mean:{form}}"
    return text if math.isnan(low) else f"{text} [{low:{form}}, {high:{form}}]"


def percent_interval(row: Mapping[Any, Any], sign: str = "") -> str:
    """A fraction in percent with its interval, such as ``97.1 [96.2, 97.9]``; - if it is NaN.

    Args:
        row: With mean, low and high; low and high are NaN if there is one seed.
        sign: "+" shows signs, for differences.
    """
    mean, low, high = (100 * row[name] for name in ("mean", "low", "high"))
    if math.isnan(mean):
        return "-"
    return interval_text(mean, low, high, f"{sign}.1f") + (" [one seed]" if math.isnan(low) else "")


def probability(p: float) -> str:
    """A p value to three decimals, or - if there is none."""
    if math.isnan(p):
        return "-"
    return f"{p:.3f}" if p >= 0.001 else "<0.001"


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 seed", "1,200 seeds"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def call_text(value: Mapping[str, Any], text: Callable[[Any], str]) -> str:
    """``{"tuned": {"low": 0.01, "high": 10}}`` as people write it: ``tuned(low=0.01, high=10)``."""
    name, given = next(iter(value.items()))
    if not isinstance(given, Mapping):
        return f"{name}({text(given)})"
    arguments = ", ".join(f"{k}={text(v)}" for k, v in given.items() if v is not None)
    return f"{name}({arguments})"


def value_text(value: Any, form: str = "g") -> str:
    """A setting or a measurement as people write it: 1,200, 0.001, flip, 0.5/0.75; - for none.

    Args:
        value: From a trial or a table; what tables have for a missing value is none.
        form: Format of a number that is not whole.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):  # what a function chooses or counts, as definitions have it
        return call_text(value, value_text)
    if hasattr(value, "tolist"):  # NumPy's; pandas has lists as arrays
        value = value.tolist()
    if isinstance(value, list | tuple):
        return "/".join(value_text(part, form) for part in value)
    if value is None or str(value) in ("nan", "<NA>", "NaT"):
        return "-"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or (value.is_integer() and abs(value) < LARGE):
        return f"{int(value):,}"
    return f"{value:,.0f}" if 1000 <= abs(value) < LARGE else f"{value:{form}}"


# Names


COLUMN_NAMES = {"data_count": "labels", "data_fraction": "label fraction"}
ACRONYMS = {"lr": "LR", "bn": "BN"}


def column_name(column: str) -> str:
    """What tables and axes call a column: "labels", "batch size", "max LR"."""
    words = column.split("_")
    return COLUMN_NAMES.get(column, " ".join(ACRONYMS.get(word, word) for word in words))


COUNTED = {"data_count": "labels", "steps": "steps", "epochs": "epochs", "iterations": "steps"}
"""What the values of a column count."""


def setting_text(column: str, value: Any) -> str:
    """A column's value in a sentence: "300 labels", "30 epochs", "dropout 0.1"."""
    if column == "budget" and isinstance(value, Mapping):  # as definitions have it
        column, value = next(iter(value.items()))
    text = value_text(value)
    return f"{text} {COUNTED[column]}" if column in COUNTED else f"{column_name(column)} {text}"


def point_text(point: Mapping[str, Any]) -> str:
    """A point of a sweep: "300 labels, dropout 0.1"; empty if nothing is swept."""
    return ", ".join(setting_text(column, value) for column, value in point.items())


def place_text(row: Mapping[Any, Any], columns: Iterable[str]) -> str:
    """The point of a sweep that a row of a table is about, from the columns that distinguish it."""
    return point_text({column: row[column] for column in columns})


def trial_name(settings: Mapping[str, Any]) -> str:
    """The main settings of a trial, from its row or its settings."""
    text = "{dataset} n={data_count} {model} {policy} max_lr={max_lr:g} seed={seed}"
    return text.format_map(settings)


# Sentences


def in_words(items: Iterable[str]) -> str:
    """An enumeration: "a", "a and b", "a, b and c"."""
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last


def exception_line(error: str) -> str:
    """The last line of a stored traceback, without the line on the trial that follows it."""
    lines = [line for line in error.splitlines() if line.strip()]
    return " ".join(lines[-2:-1] or lines)


def did_you_mean(value: object, choices: Iterable[str]) -> str:
    """The end of a message that suggests the nearest choice; empty if none is near.

    Of names that differ in their number only, such as those of networks, the nearest number counts.
    """
    given, choices = str(value).lower(), list(choices)
    name, number = _with_number(given)
    alike = [
        (abs(own[1] - number), choice)
        for choice in choices
        if (own := _with_number(choice))[0] == name and own[1] >= 0 <= number
    ]
    near = [min(alike)[1]] if alike else get_close_matches(given, choices, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _with_number(name: str) -> tuple[str, int]:
    """A name up to the number at its end, and that number; -1 without one."""
    found = re.fullmatch(r"(.*?[a-z_])(\d+)", name)
    return (found[1], int(found[2])) if found else (name, -1)


def unknown_name(field: str, value: str, choices: Iterable[str]) -> str:
    """Message on a data set or model that neither this package nor the study knows."""
    choices = list(choices)
    return (
        f"{field} must be one of {', '.join(map(repr, choices))} or given to the study as "
        f"{field}s={{...}}, got {value!r}{did_you_mean(value, choices)}"
    )


def paragraph(text: str, hanging: str = "") -> str:
    """A text in lines of at most `WIDTH` characters.

    Intervals such as [-1.1, +1.6] stay on one line, and words longer than a line, such as paths,
    stay whole.

    Args:
        text: One paragraph.
        hanging: What its second and further lines begin with.
    """
    whole = re.sub(INTERVAL, lambda found: found[0].replace(" ", "\0"), text)
    lines = textwrap.fill(
        whole, WIDTH, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False
    )
    return lines.replace("\0", " ")


# Tables


def text_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    keys: int = 1,
    wrap: Collection[str] = (),
) -> str:
    """A table whose lines have at most `WIDTH` characters; numbers are aligned to the right.

    Where it is too wide, headings are broken at spaces first, then within names, then the cells of
    the columns in `wrap`. The columns that still find no room follow in a second table below.

    Args:
        headings: A heading for each column.
        rows: As many cells each.
        keys: Number of leading columns that are repeated in a table below.
        wrap: Headings of the columns whose cells may be broken.
    """
    table = list(zip(headings, *rows, strict=True))
    parts = [[table[i] for i in part] for part in _side_by_side(_column_widths(table, wrap), keys)]
    return "\n\n".join(_lines(part, _column_widths(part, wrap)) for part in parts)


def html_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table for a notebook, escaped."""
    from html import escape  # not in the way of a plan in a terminal

    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


NARROW = 12
"""Characters to which the cells of a column may be narrowed, if their words are shorter."""
GAP = 2
"""Spaces between columns."""


def _column_widths(table: Sequence[Sequence[str]], wrap: Collection[str]) -> list[int]:
    """Width of each column, heading first; as narrow as needed and allowed."""
    widths = [max(map(len, column)) for column in table]
    for breaks in (_BETWEEN_WORDS, _BREAKS):
        if _total(widths) > WIDTH:
            widths = [
                max([_longest_part(column[0], breaks), *map(len, column[1:])]) for column in table
            ]
    least = [
        min(width, max(NARROW, *map(_longest_part, column))) if column[0] in wrap else width
        for column, width in zip(table, widths, strict=True)
    ]
    while _total(widths) > WIDTH:
        breakable = [i for i, width in enumerate(widths) if width > least[i]]
        if not breakable:
            break
        widths[max(breakable, key=lambda i: widths[i])] -= 1
    return widths


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _side_by_side(widths: Sequence[int], keys: int) -> Iterator[list[int]]:
    """Columns of each table, so that all of them find room."""
    first = list(range(min(keys, len(widths))))
    columns = list(first)
    for place in range(len(first), len(widths)):
        if columns != first and _total([widths[i] for i in (*columns, place)]) > WIDTH:
            yield columns
            columns = list(first)
        columns.append(place)
    yield columns


_NUMBER = re.compile(r"[-+<>]?(\d|inf$)|-?$")


def _lines(table: Sequence[Sequence[str]], widths: Sequence[int]) -> str:
    """Aligned columns, of which each starts with its heading."""
    right = [all(map(_NUMBER.match, column[1:])) for column in table]
    lines = []
    for row in zip(*table, strict=True):
        cells = [_broken(cell, width) for cell, width in zip(row, widths, strict=True)]
        for place in range(max(map(len, cells))):
            parts = [
                text.rjust(width) if is_number else text.ljust(width)
                for cell, width, is_number in zip(cells, widths, right, strict=True)
                for text in [cell[place] if place < len(cell) else ""]
            ]
            lines.append((" " * GAP).join(parts).rstrip())
    return "\n".join(lines)


_BETWEEN_WORDS = re.compile(r"(?<=\s)(?=\S)|(?<=-)(?=[A-Za-z])")
_BREAKS = re.compile(r"(?<=\s)(?=\S)|(?<=[_/-])(?=[A-Za-z])")


def _longest_part(text: str, breaks: re.Pattern[str] = _BREAKS) -> int:
    return max(len(part.rstrip()) for part in breaks.split(text))


def _broken(text: str, width: int) -> list[str]:
    """Lines of a cell, broken at spaces, underscores, slashes and hyphens; longer parts stay."""
    lines = [""]
    for part in _BREAKS.split(text):
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return [line.rstrip() for line in lines]
