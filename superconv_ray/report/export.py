"""A study's charts and tables as files for a paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from superconv_ray.report.chart_files import save_chart
from superconv_ray.report.paper_tables import paper_tables
from superconv_ray.report.sections import sections
from superconv_ray.report.study_results import StudyResults

FORMATS = (".png", ".svg", ".pdf")


def write_charts(results: StudyResults, folder: Path) -> Iterator[Path]:
    """Write every chart of the report to a folder, in all formats; yields the files.

    Raises:
        ValueError: The study has no finished trial, so there is no chart.
        OSError: The folder cannot be written.
    """
    drawn = [section for section in sections(results) if section.chart is not None]
    if not drawn:
        raise ValueError(f"no chart: study {results.name!r} has no finished trial yet")
    folder.mkdir(parents=True, exist_ok=True)
    for section in drawn:
        assert section.chart is not None
        for suffix in FORMATS:
            path = folder / f"{section.name}{suffix}"
            save_chart(section.chart, path)
            yield path


def write_tables(results: StudyResults, path: Path, form: Literal["latex", "markdown"]) -> None:
    """Write the tables with intervals to a file.

    Raises:
        ValueError: The study has no finished training, so there is no table.
        OSError: The file cannot be written.
    """
    if results.trainings.empty:
        raise ValueError(f"no table: study {results.name!r} has no finished training yet")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(paper_tables(results, form), encoding="utf-8")
