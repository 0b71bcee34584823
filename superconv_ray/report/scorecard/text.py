"""A scorecard as text for a terminal and as Markdown for a page of the documentation."""

from __future__ import annotations

from collections.abc import Callable

from superconv_ray.design.text import paragraph
from superconv_ray.report.scorecard.rows import NOT_RUN, Row, Scorecard
from superconv_ray.report.table_formats import markdown_text

LABEL = 11
"""Characters before the text of a line of a claim."""


def scorecard_text(card: Scorecard) -> str:
    """Every claim in lines of at most 80 characters, the counts first."""
    head = f"scorecard of {card.place}: {len(card.rows)} claims\n{card.summary}"
    blocks = ["\n".join(_lines(row)) for row in card.rows]
    return "\n\n".join([head, *blocks])


def _lines(row: Row) -> list[str]:
    claim = row.claim
    lines = {
        "claim": claim.says,
        "published": f"{claim.published} ({claim.source})",
        "ours": row.ours,
        "at": row.at,
        "study": claim.file,
    }
    said = [_line(label, text) for label, text in lines.items() if text]
    return [f"{row.verdict.upper()}: {claim.id}", *said]


def _line(label: str, text: str) -> str:
    return paragraph(f"{label:>{LABEL - 2}}  {text}", " " * LABEL)


def scorecard_markdown(card: Scorecard, link: Callable[[str], str | None]) -> str:
    """The counts, a table of all claims, and the commands that made them.

    Args:
        card: The scorecard.
        link: From a study's file to what to link; None if there is nothing to link.
    """
    rows = [_markdown_row(row, link(row.claim.file)) for row in card.rows]
    runs = [f"- `{run.provenance.command}`: {run.where}" for run in card.runs]
    parts = [
        f"**{card.summary}.**",
        "\n".join(["| claim | published | measured here | verdict |", "|---|---|---|---|", *rows]),
    ]
    if runs:
        parts.append("\n".join(["Runs:", "", *runs]))
    return "\n\n".join(parts) + "\n"


def _markdown_row(row: Row, link: str | None) -> str:
    claim = row.claim
    file = f"`{claim.file}`" if link is None else f"[`{claim.file}`]({link})"
    cells = (
        f"{markdown_text(claim.says)} (`{claim.id}`)",
        f"{markdown_text(claim.published)} ({claim.source})",
        "<br>".join([*(markdown_text(text) for text in (row.ours, row.at) if text), file]),
        row.verdict if row.verdict == NOT_RUN else f"**{row.verdict}**",
    )
    return f"| {' | '.join(cells)} |"
