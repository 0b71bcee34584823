"""A `Table` as text for a terminal, as LaTeX (package booktabs) and as Markdown.

Everything that a user may have named, such as arms, is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from superconv_ray.design.text import paragraph, text_table
from superconv_ray.report.tables import Table

_LATEX = str.maketrans(
    {
        **{character: rf"\{character}" for character in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
    }
)
# Underscores within words and lone brackets, such as those of intervals, are no markup.
_MARKDOWN = re.compile(r"[\\|`*<>]|(?<!\w)_|_(?!\w)|\](?=[\[(:])")
_SIGNED = re.compile(r"(?<![\w.])[-+]\d[\d.]*")


def as_text(table: Table) -> str:
    """Lines of at most 80 characters."""
    notes = [paragraph(f"- {note}", "  ") for note in table.notes]
    return "\n".join([paragraph(table.caption), table_text(table), *notes])


def table_text(table: Table) -> str:
    """The rows below their headings, without caption and notes."""
    names = ("point", "arm", "baseline")
    return text_table(table.headings, table.rows, keys=table.keys, wrap=names)


def as_latex(table: Table) -> str:
    r"""A floating table; the document needs ``\usepackage{booktabs}``."""
    rows = [" & ".join(map(_latex, row)) + r" \\" for row in (table.headings, *table.rows)]
    # A bracket after a line break would be taken for the break's height.
    rows = [f"{{}}{row}" if row.startswith("[") else row for row in rows]
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_latex(table.caption)}}}",
        rf"\label{{tab:{table.name}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(table.headings) - 1)}}}",
        r"\toprule",
        rows[0],
        r"\midrule",
        *rows[1:],
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par\smallskip\footnotesize {_latex(note)}" for note in table.notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def as_markdown(table: Table) -> str:
    """A table for GitHub and pandoc, its caption above and its notes below."""
    rows = [[markdown_text(cell) for cell in row] for row in (table.headings, *table.rows)]
    widths = [max(3, *map(len, column)) for column in zip(*rows, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [
        " | ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
        for row in (rows[0], rule, *rows[1:])
    ]
    body = "\n".join(f"| {line} |" for line in lines)
    parts = [markdown_text(table.caption), body, *map(markdown_text, table.notes)]
    return "\n\n".join(parts) + "\n"


FORMATS: Mapping[str, Callable[[Table], str]] = {"latex": as_latex, "markdown": as_markdown}
"""Formats of exported tables."""


def _latex(text: str) -> str:
    """Escaped; signed numbers in math mode, or a minus would be a hyphen."""
    return _SIGNED.sub(r"$\g<0>$", " ".join(text.split()).translate(_LATEX))


def markdown_text(text: str) -> str:
    """A text on one line, with what would be markup escaped."""
    return _MARKDOWN.sub(r"\\\g<0>", " ".join(text.split()))
