"""Small pictures of charts, for the index of a store's studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import vl_convert

from superconv_ray.report import theme

WIDTH, HEIGHT = 300, 150
"""Pixels of the picture, axes and legends not included."""
LETTER = 6.5
"""Pixels of a letter in the title of a panel."""


def thumbnail(chart: alt.TopLevelMixin, *, dark: bool) -> str:
    """A chart, or the first of several below each other, as a small SVG picture."""
    picture = vl_convert.vegalite_to_svg(
        small(chart.to_dict(validate=False)), config=theme.config(dark)
    )
    return str(picture)


def small(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The specification of a small chart.

    Args:
        spec: From ``chart.to_dict(validate=False)``.
    """
    if "vconcat" in spec:
        rest = {name: part for name, part in spec.items() if name not in ("vconcat", "title")}
        return {**rest, **small(spec["vconcat"][0])}
    if "facet" in spec:
        titles = spec["facet"].get("sort", ())
        columns = min(spec["columns"], _columns_of(titles))
        height = HEIGHT if len(titles) <= columns else HEIGHT // 2
        size = {"width": WIDTH // columns, "height": height}
        return {**spec, "columns": columns, "spec": {**spec["spec"], **size}}
    return {**spec, "width": WIDTH, "height": HEIGHT}


def _columns_of(titles: Sequence[str]) -> int:
    """Number of panels side by side whose titles are not cut."""
    longest = max((len(line) for title in titles for line in title.split("\n")), default=1)
    return max(1, int(WIDTH / (LETTER * longest)))
