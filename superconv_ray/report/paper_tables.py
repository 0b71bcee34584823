"""Tables for a paper, as LaTeX (package booktabs) and Markdown, from frames of `analysis`.

Everything that a user may have named, such as arms, is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from superconv_ray.analysis import arm_summary, effort
from superconv_ray.analysis.statistics.sequential import confidence_per_look
from superconv_ray.design.text import column_name, percent_interval, probability, value_text
from superconv_ray.report.study_results import StudyResults

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
# Underscores inside words are no markup, and arms are mostly called that way; brackets are none
# that stand alone, as those of intervals do.
_MARKDOWN = re.compile(r"[\\|`*<>]|(?<!\w)_|_(?!\w)|\](?=[\[(:])")
_SIGNED = re.compile(r"(?<![\w.])[-+]\d[\d.]*")


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
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def latex(self) -> str:
        r"""A floating table; the document needs ``\usepackage{booktabs}``."""
        rows = [" & ".join(map(_latex, row)) + r" \\" for row in (self.headings, *self.rows)]
        # A bracket after a line break would be taken for the break's height.
        rows = [f"{{}}{row}" if row.startswith("[") else row for row in rows]
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


def paper_tables(results: StudyResults, form: Literal["latex", "markdown"]) -> str:
    """A study's tables one after another: accuracies, gaps and effort.

    Args:
        results: Of a study with a finished training.
        form: How they are written.
    """
    summary = arm_summary(results.trainings, results.axes, results.value)
    tables = [accuracy_table(summary, results.axes, results.arms, results.measured_on)]
    if len(results.arms) > 1:
        coverage = confidence_per_look(results.looks)
        tables.append(gap_table(results.comparison, results.axes, coverage))
    tables.append(effort_table(effort(results.trials)))
    return "\n".join(t.latex() if form == "latex" else t.markdown() for t in tables)


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
        own = {row["arm"]: _accuracy(row) for row in group}
        seeds = sorted({str(row["n"]) for row in group}, key=int)
        rows.append((*settings, *(own.get(arm, "-") for arm in arms), "/".join(seeds)))
    diverged = ["Diverged trainings count with what they measured."]
    return PaperTable(
        name="accuracy",
        caption=f"{measured_on.capitalize()} accuracy in %, mean [95 % interval over seeds].",
        headings=(*map(_heading, by), *arms, "seeds"),
        rows=tuple(rows),
        notes=tuple(diverged if summary["diverged"].any() else []),
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
            percent_interval(row, "+") if row["n"] else "-",
            probability(row["p_holm"]),
            str(row["verdict"]),
            str(row["n"]),
        )
        for settings, group in _points(comparison, by)
        for row in group
    ]
    arm = comparison["arm"].iloc[0]
    return PaperTable(
        name="gaps",
        caption=(
            f"{arm} minus baseline in points of accuracy, paired by seed and subset, "
            f"mean [{100 * confidence:.4g} % t interval]. p: sign-flip test, Holm-corrected for "
            "all rows."
        ),
        headings=(*map(_heading, by), "baseline", "gap", "p", "verdict", "pairs"),
        rows=tuple(rows),
    )


def effort_table(spent: pd.DataFrame) -> PaperTable:
    """What every arm cost, the choice of its settings included: a row an arm and purpose.

    Args:
        spent: From `effort`.
    """
    rows = [
        (
            str(row["arm"]),
            "measured" if row["role"] == "training" else f"to choose settings: {row['role']}",
            f"{row['trials']:,}",
            f"{row['steps']:,}",
        )
        for row in spent.to_dict("records")
    ]
    return PaperTable(
        name="effort",
        caption="Optimiser steps of every arm, the choice of its settings included.",
        headings=("arm", "trials", "number", "steps"),
        rows=tuple(rows),
    )


def _points(
    frame: pd.DataFrame, by: Sequence[str]
) -> Iterator[tuple[tuple[str, ...], list[dict[Any, Any]]]]:
    """Each point's settings as text, and its rows, in the frame's order."""
    groups: dict[tuple[str, ...], list[dict[Any, Any]]] = {}
    for row in frame.to_dict("records"):
        groups.setdefault(tuple(value_text(row[name]) for name in by), []).append(row)
    yield from groups.items()


def _heading(column: str) -> str:
    return column_name(column).replace("_", " ")


def _accuracy(row: Mapping[Any, Any]) -> str:
    diverged = f" ({row['diverged']} diverged)" if row["diverged"] else ""
    return percent_interval(row) + diverged


def _latex(text: str) -> str:
    """Escaped; signed numbers in math mode, or a minus would be a hyphen."""
    return _SIGNED.sub(r"$\g<0>$", " ".join(text.split()).translate(_LATEX))


def _markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\g<0>", " ".join(text.split()))
