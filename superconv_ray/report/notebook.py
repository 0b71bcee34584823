"""A study's results as a notebook shows them: verdict, tables and one chart."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from superconv_ray.design.text import html_table
from superconv_ray.report.study_results import StudyResults
from superconv_ray.report.tables import Table, study_tables
from superconv_ray.report.verdict import caveats, headline

CHART_WIDTH = 480
"""Pixels of the chart, axes not included."""


def notebook_html(results: StudyResults) -> str:
    """HTML that needs no script and no network. Without the optional packages it has no chart."""
    parts = [f"<h4>{escape(results.question or results.name)}</h4>"]
    parts.append(f"<p>{escape(results.name)}: {escape(results.state)}</p>")
    parts.append(f"<p><b>{escape(headline(results))}</b></p>")
    parts += [f"<p>{escape(text)}</p>" for text in caveats(results)]
    if not results.trainings.empty:
        parts += _chart(results)
        parts += [_table(table) for table in study_tables(results) if table.name != "effort"]
    return "\n".join(parts)


def _table(table: Table) -> str:
    return f"<p>{escape(table.caption)}</p>{html_table(table.headings, table.rows)}"


def _chart(results: StudyResults) -> Iterator[str]:
    """The chart of the answer, as SVG."""
    try:
        from superconv_ray.report.chart_files import chart_content
        from superconv_ray.report.sections import answer
    except ModuleNotFoundError:
        return
    section = answer(results)
    if section is not None and section.chart is not None:
        yield chart_content(section.chart, ".svg", width=CHART_WIDTH).decode()
