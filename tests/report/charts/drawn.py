"""Charts as a reader sees them: their texts and marks, read off the rendered SVG."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree

import altair as alt
import vl_convert

from superconv_ray.report import theme
from superconv_ray.report.chart_files import at_width

NARROW = 330
"""Width of the marks on a page of 400 px."""


class Drawing:
    """A chart, rendered."""

    def __init__(self, chart: alt.TopLevelMixin, width: int = theme.WIDTH) -> None:
        spec = chart.to_dict()
        assert "NaN" not in json.dumps(spec)
        assert set(spec["config"]) == {"view"}  # Altair's own; colors are the page's
        svg = vl_convert.vegalite_to_svg(at_width(spec, width), config=theme.config(dark=False))
        self.width = float(re.search(r'width="([\d.]+)"', svg)[1])  # type: ignore[index]
        self._root = ElementTree.fromstring(svg)

    @property
    def texts(self) -> list[str]:
        """Every text, in the order it is drawn in."""
        found = [self._text(e) for e in self._root.iter() if e.tag.endswith("}text")]
        return [text for text in found if text]

    def marks(self, kind: str) -> list[str]:
        """What the marks of a kind say of themselves: "point", "rule mark", "line mark", ..."""
        return [
            e.get("aria-label", "")
            for e in self._root.iter()
            if e.get("aria-roledescription") == kind
        ]

    def _text(self, element: Any) -> str:
        return " ".join(part.strip() for part in element.itertext() if part.strip())
