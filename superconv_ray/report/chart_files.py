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
"""Endings of chart files, with options of vl-convert."""


def check_chart_files(paths: Iterable[Path]) -> None:
    """Reject names that no chart can be written to, before anything is trained; without Altair.

    Raises:
        ValueError: A name has another ending than those of `KINDS`.
    """
    for path in paths:
        if path.suffix not in KINDS:
            raise ValueError(f"a chart file must end in {', '.join(KINDS)}, got {str(path)!r}")


def save_chart(chart: alt.TopLevelMixin, path: Path) -> None:
    """Write a chart to a file of the kind that its ending names.

    Args:
        chart: As from `superconv_ray.report.charts`.
        path: The file.

    Raises:
        ValueError: As `check_chart_files`.
        OSError: The file cannot be written.
    """
    check_chart_files([path])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(chart_content(chart, path.suffix))


def chart_content(chart: alt.TopLevelMixin, suffix: str, width: int | None = None) -> bytes:
    """The content of a chart file.

    Args:
        chart: As from `superconv_ray.report.charts`.
        suffix: One of `KINDS`.
        width: As for `at_width`; None: the width of the chart.
    """
    import vl_convert

    from superconv_ray.report import theme

    spec = chart.to_dict(validate=False)
    if width is not None:
        spec = at_width(spec, width)
    config = {**theme.config(dark=False), "background": theme.BACKGROUND}
    write = getattr(vl_convert, f"vegalite_to_{suffix[1:]}")
    content = write(spec, config=config, **KINDS[suffix])
    return content.encode() if isinstance(content, str) else bytes(content)


def at_width(spec: Mapping[str, Any], width: int) -> dict[str, Any]:
    """The specification of a chart at another width.

    Args:
        spec: From ``chart.to_dict(validate=False)``.
        width: Width of a single view in px without its axes; the columns of a facet share it.
    """
    if "vconcat" in spec:
        return {**spec, "vconcat": [at_width(part, width) for part in spec["vconcat"]]}
    if "facet" in spec:
        return {**spec, "spec": at_width(spec["spec"], width // spec["columns"])}
    return {**spec, "width": width}
