"""Colors and fonts of charts on light and dark pages.

Marks have the colors of Okabe and Ito, which color-blind readers can distinguish, without black and
yellow, each of which is unreadable on one of the two backgrounds. `config` has the colors of text,
axes and background and is applied where a chart is shown, so that one chart serves both themes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import altair as alt

BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, GREY = "#E69F00", "#56B4E9", "#808080"
COLORS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, GREY)
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
"""One fewer than colors, so that 42 arms have different marks."""
DASHES = ((1, 0), (6, 3), (2, 2))
"""Dashes of the first seven arms, of the next seven, and so on."""
SEQUENTIAL: Final = "viridis"
"""Color scheme of quantities; perceptually uniform, also for color-blind readers."""

WIDTH = 640
"""Default width of a single view in px, without axes."""

BACKGROUND = "#ffffff"
"""Background of chart files."""
FONT = "system-ui, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"


def arm_scales(arms: Sequence[str]) -> dict[str, alt.Scale]:
    """Color, shape and dash of every arm, by its position in the list of arms."""
    places = range(len(arms))
    looks: dict[str, list[Any]] = {
        "color": [COLORS[i % len(COLORS)] for i in places],
        "shape": [SHAPES[i % len(SHAPES)] for i in places],
        "strokeDash": [list(DASHES[i // len(COLORS) % len(DASHES)]) for i in places],
    }
    return {channel: alt.Scale(domain=list(arms), range=look) for channel, look in looks.items()}


def hollow(arms: Sequence[str]) -> list[str]:
    """Arms that repeat the colors of seven others: hollow where shapes say something else."""
    return [arm for i, arm in enumerate(arms) if i // len(COLORS) % 2]


def config(dark: bool) -> dict[str, Any]:
    """Vega-Lite config for a light or a dark page; the background is transparent."""
    light = ("#1f2328", "#59636e", "#d5dbe1")
    text, muted, faint = ("#e6edf3", "#a3adb8", "#3d444d") if dark else light
    return {
        "background": "transparent",
        "font": FONT,
        "view": {"stroke": faint},
        "axis": {
            "labelColor": text,
            "titleColor": text,
            "domainColor": muted,
            "tickColor": muted,
            "gridColor": faint,
            "gridOpacity": 0.7,
            "labelFontSize": 11,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "labelLimit": 200,
        },
        "legend": {
            "orient": "top",
            "labelColor": text,
            "titleColor": muted,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "labelLimit": 300,
            "symbolStrokeWidth": 2,
            "symbolBaseFillColor": muted,
            "symbolBaseStrokeColor": muted,
            "layout": {"top": {"direction": "vertical", "anchor": "start"}},
        },
        "title": {"color": text, "subtitleColor": muted, "fontSize": 13, "anchor": "start"},
        "header": {
            "labelColor": text,
            "titleColor": text,
            "labelFontSize": 12,
            "labelAnchor": "start",
        },
        "mark": {"color": muted},
        "rule": {"color": muted},
        "text": {"color": text, "fontSize": 11},
        "style": {"reference": {"strokeDash": [4, 4]}},
    }
