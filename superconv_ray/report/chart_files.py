"""A chart as a file: PNG, SVG, PDF, or an HTML page that needs no network. No browser is needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair as alt

KINDS: Mapping[str, Mapping[str, Any]] = {
    ".png": {"scale": 2.0},
    ".svg": {},
    ".pdf": {},
    ".html": {"bundle": True},
}
"""Endings of files, and how vl-convert is to write them."""


def check_chart_files(paths: Iterable[Path]) -> None:
    """Reject files that no chart can be written to; before anything is trained, and without Altair.

    Raises:
        ValueError: A file's name has another ending than those of `KINDS`.
    """
    for path in paths:
        if path.suffix not in KINDS:
            raise ValueError(f"a chart file must end in {', '.join(KINDS)}, got {str(path)!r}")


def save_chart(
    chart: alt.TopLevelMixin, path: Path, *, width: int | None = None, dark: bool = False
) -> None:
    """Write a chart to a file, whose ending says as what; SVG and PDF are vectors.

    Args:
        chart: As from `superconv_ray.report.charts`.
        path: Of the file.
        width: As for `at_width`; None: as the chart has it.
        dark: Whether for a dark page.

    Raises:
        ValueError: As `check_chart_files`.
        OSError: The file cannot be written.
    """
    import vl_convert

    from superconv_ray.report import theme

    check_chart_files([path])
    write = getattr(vl_convert, f"vegalite_to_{path.suffix[1:]}")
    config = {**theme.config(dark), "background": theme.BACKGROUNDS[dark]}
    spec = chart.to_dict(validate=False)
    if width is not None:
        spec = at_width(spec, width)
    content = write(spec, config=config, **KINDS[path.suffix])
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def at_width(spec: Mapping[str, Any], width: int) -> dict[str, Any]:
    """A chart's specification, drawn at another width.

    Args:
        spec: From ``chart.to_dict(validate=False)``.
        width: Of a single view in px, axes not included; the columns of a facet share it.
    """
    if "vconcat" in spec:
        return {**spec, "vconcat": [at_width(part, width) for part in spec["vconcat"]]}
    if "facet" in spec:
        return {**spec, "spec": at_width(spec["spec"], width // spec["columns"])}
    return {**spec, "width": width}
