"""A study's charts and tables as files for a paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from superconv_ray.report.study_results import StudyResults
from superconv_ray.report.table_formats import FORMATS
from superconv_ray.report.tables import study_tables

CHART_FORMATS = (".png", ".svg", ".pdf")


def export(
    results: StudyResults,
    *,
    charts: str | Path | None = None,
    latex: str | Path | None = None,
    markdown: str | Path | None = None,
) -> Iterator[Path]:
    """Write files for a paper and yield the path of each; see `StudyResults.export`."""
    if not (charts or latex or markdown):
        raise ValueError("nothing to export: give at least one of charts, latex and markdown")
    if charts:
        yield from write_charts(results, Path(charts))
    for form, path in (("latex", latex), ("markdown", markdown)):
        if path:
            write_tables(results, Path(path), form)
            yield Path(path)


def write_charts(results: StudyResults, folder: Path) -> Iterator[Path]:
    """Write every chart of the report to a folder, in all formats, and yield the files.

    Raises:
        ValueError: The study has no finished trial, so there is no chart.
        OSError: The folder cannot be written.
    """
    from superconv_ray.report.chart_files import save_chart
    from superconv_ray.report.sections import sections

    drawn = [(section.name, section.chart) for section in sections(results) if section.chart]
    if not drawn:
        raise ValueError(f"no chart: study {results.name!r} has no finished trial yet")
    folder.mkdir(parents=True, exist_ok=True)
    for name, chart in drawn:
        for suffix in CHART_FORMATS:
            path = folder / f"{name}{suffix}"
            save_chart(chart, path)
            yield path


def write_tables(results: StudyResults, path: Path, form: str) -> None:
    """Write the tables with intervals to a file.

    Args:
        results: Of the study.
        path: The file.
        form: One of `FORMATS`.

    Raises:
        ValueError: The study has no finished training, so there is no table.
        OSError: The file cannot be written.
    """
    if results.trainings.empty:
        raise ValueError(f"no table: study {results.name!r} has no finished training yet")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(FORMATS[form], study_tables(results))), encoding="utf-8")
