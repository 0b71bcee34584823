"""Tables for a paper, as LaTeX (package booktabs) and Markdown, from frames of `analysis`.

Everything that a user may have named, such as arms, is escaped.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from superconv_ray.tables import interval_text

ABSENT = "--"
HEADINGS = {"data_count": "labels"}
"""What a column of the frames is called in a table, where its own name does not say it."""
_LATEX = str.maketrans(
    {
        **{character: rf"\{character}" for character in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': r"\textquotedbl{}",
    }
)
# Underscores inside words are no markup, and arms are mostly called that way.
_MARKDOWN = re.compile(r"[\\|`*<>\[\]]|(?<!\w)_|_(?!\w)")


@dataclass(frozen=True)
class Estimate:
    """A share, or a difference of shares, with its interval.

    Attributes:
        text: In per cent, as `interval_text` writes it.
        diverged: Trainings of it that diverged.
    """

    text: str
    diverged: int = 0

    @property
    def remark(self) -> str:
        """What stands behind the numbers."""
        return f" ({self.diverged} diverged)" if self.diverged else ""


@dataclass(frozen=True)
class PaperTable:
    """A table, before it becomes LaTeX or Markdown; its text is not escaped yet.

    Attributes:
        name: Of its file and its label: lower-case letters, digits and underscores.
        caption: What it shows, in which units.
        headings: Of its columns; the first is aligned left, the others right.
        rows: As many cells as headings each.
        notes: What a reader must know, a sentence each.
    """

    name: str
    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Estimate | str, ...], ...]
    notes: tuple[str, ...] = ()

    def latex(self) -> str:
        r"""A floating table; the document needs ``\usepackage{booktabs}`` and T1 fonts."""
        rows = [" & ".join(map(_latex, row)) + r" \\" for row in (self.headings, *self.rows)]
        lines = [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_latex(self.caption)}}}",
            rf"\label{{tab:{self.name}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(self.headings) - 1)}}}",
            r"\toprule",
            rows[0],
            r"\midrule",
            *rows[1:],
            r"\bottomrule",
            r"\end{tabular}",
            *(rf"\par\smallskip\footnotesize {_latex(note)}" for note in self.notes),
            r"\end{table}",
        ]
        return "\n".join(lines) + "\n"

    def markdown(self) -> str:
        """A table as GitHub and pandoc know it, its caption before it and its notes after it."""
        rows = [[_markdown(cell) for cell in row] for row in (self.headings, *self.rows)]
        widths = [max(3, *map(len, column)) for column in zip(*rows, strict=True)]
        rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        lines = [
            " | ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
            for row in (rows[0], rule, *rows[1:])
        ]
        table = "\n".join(f"| {line} |" for line in lines)
        parts = [_markdown(self.caption), table, *map(_markdown, self.notes)]
        return "\n\n".join(parts) + "\n"


def accuracy_table(
    summary: pd.DataFrame, by: Sequence[str], arms: Sequence[str], measured_on: str = "test"
) -> PaperTable:
    """Every arm's accuracy at every point: a row a point, a column an arm.

    Args:
        summary: From `arm_summary` of an accuracy.
        by: The columns that tell points apart.
        arms: Arms in the order of their columns.
        measured_on: Which labels the accuracy is of.
    """
    rows = []
    for settings, group in _points(summary, by):
        own = {row["arm"]: Estimate(_interval(row), int(row["diverged"])) for row in group}
        seeds = sorted({int(row["n"]) for row in group})
        cells = (own.get(arm, ABSENT) for arm in arms)
        rows.append((*settings, *cells, "-".join(map(str, {seeds[0], seeds[-1]}))))
    diverged = ["Diverged trainings count with what they measured."]
    return PaperTable(
        name="accuracy",
        caption=f"{measured_on.capitalize()} accuracy in %, mean [95 % t interval over seeds].",
        headings=(*map(_heading, by), *arms, "seeds"),
        rows=tuple(rows),
        notes=(*_on_single(summary), *(diverged if summary["diverged"].any() else [])),
    )


def gap_table(comparison: pd.DataFrame, by: Sequence[str], confidence: float = 0.95) -> PaperTable:
    """An arm's paired gaps to its baselines with the verdicts: a row a point and baseline.

    Args:
        comparison: From `compare`.
        by: The columns that tell points apart.
        confidence: Coverage of each interval; more than 0.95 where seeds were added while looking.
    """
    rows = [
        (
            *settings,
            str(row["baseline"]),
            Estimate(_interval(row, "+")) if row["n"] else ABSENT,
            _probability(row["p_holm"]),
            str(row["verdict"]),
            str(row["n"]),
        )
        for settings, group in _points(comparison, by)
        for row in group
    ]
    return PaperTable(
        name="gaps",
        caption=(
            f"{comparison['arm'].iloc[0]} minus baseline in points of accuracy, paired by seed and "
            f"subset, mean [{100 * confidence:.4g} % t interval]. p: sign-flip test, "
            "Holm-corrected for all rows."
        ),
        headings=(*map(_heading, by), "baseline", "gap", "p", "verdict", "pairs"),
        rows=tuple(rows),
        notes=tuple(_on_single(comparison)),
    )


def effort_table(effort: pd.DataFrame) -> PaperTable:
    """What every arm cost, the choice of its settings included: a row an arm and purpose.

    Args:
        effort: From `effort` of `analysis.comparison`.
    """
    rows = [
        (
            str(row["arm"]),
            "measured" if row["role"] == "training" else f"to choose settings: {row['role']}",
            f"{row['trials']:,}",
            f"{row['steps']:,}",
        )
        for row in effort.to_dict("records")
    ]
    return PaperTable(
        name="effort",
        caption="Optimiser steps of every arm, the choice of its settings included.",
        headings=("arm", "trials are", "trials", "steps"),
        rows=tuple(rows),
    )


def _points(
    frame: pd.DataFrame, by: Sequence[str]
) -> Iterator[tuple[tuple[str, ...], list[dict[Any, Any]]]]:
    """Each point's settings as text, and its rows, in the frame's order."""
    groups: dict[tuple[str, ...], list[dict[Any, Any]]] = {}
    for row in frame.to_dict("records"):
        groups.setdefault(tuple(_setting(row[name]) for name in by), []).append(row)
    yield from groups.items()


def _heading(column: str) -> str:
    return HEADINGS.get(column, column.replace("_", " "))


def _setting(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "/".join(map(_setting, value))
    if pd.isna(value):
        return ABSENT
    if isinstance(value, float):
        return f"{value:g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _interval(row: Mapping[Any, Any], sign: str = "") -> str:
    return interval_text(row["mean"], row["low"], row["high"], sign)


def _probability(p: float) -> str:
    if math.isnan(p):
        return ABSENT
    return f"{p:.3f}" if p >= 0.001 else "<0.001"


def _on_single(rows: pd.DataFrame) -> Iterator[str]:
    if (rows["n"] == 1).any():
        yield "A single seed has no interval."


def _latex(cell: Estimate | str) -> str:
    """In math mode, or a minus would be a hyphen; there a space must be asked for."""
    if isinstance(cell, Estimate):
        return f"${cell.text.replace(' [', r'\ [')}${cell.remark}"
    return " ".join(cell.split()).translate(_LATEX)


def _markdown(cell: Estimate | str) -> str:
    if isinstance(cell, Estimate):
        return cell.text + cell.remark
    return _MARKDOWN.sub(r"\\\g<0>", " ".join(cell.split()))
