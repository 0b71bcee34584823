"""How charts look: an arm's colour everywhere, and what light and dark pages differ in.

Colours of marks are those of Okabe and Ito, which the colour-blind can tell apart, without black
and yellow, each unreadable on one of the two backgrounds. They read on both, so that a chart is
drawn once: text, axes and background are left to `config`, which is put in where it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import altair as alt

BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, GREY = "#E69F00", "#56B4E9", "#808080"
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, GREY)
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
"""One fewer than colours, so that 42 arms have a mark of their own."""
DASHES = ((1, 0), (6, 3), (2, 2))
"""Of the first seven arms, the next, and so on."""
SEQUENTIAL: Final = "viridis"
"""Colour scheme of quantities; perceptually uniform, also for the colour-blind."""

WIDTH = 640
"""Of a single view in px, axes not included, where nothing else is said."""

BACKGROUNDS = {False: "#ffffff", True: "#16181d"}
"""Of light and dark pages and chart files."""
FONT = "system-ui, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"


def arm_scale(arms: Sequence[str]) -> alt.Scale:
    """Colour by the arm's position in its study's list of arms."""
    return _scale(arms, [COLOURS[i % len(COLOURS)] for i in range(len(arms))])


def arm_shapes(arms: Sequence[str]) -> alt.Scale:
    """Shape of points by the arm's position."""
    return _scale(arms, [SHAPES[i % len(SHAPES)] for i in range(len(arms))])


def arm_dashes(arms: Sequence[str]) -> alt.Scale:
    """Dashes of lines by the arm's position: solid until colours repeat."""
    rounds = (i // len(COLOURS) % len(DASHES) for i in range(len(arms)))
    return _scale(arms, [list(DASHES[i]) for i in rounds])


def config(dark: bool) -> dict[str, Any]:
    """Vega-Lite's config for a light or a dark page, whose background shows through."""
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


def _scale(arms: Sequence[str], values: list[Any]) -> alt.Scale:
    return alt.Scale(domain=list(arms), range=values)
