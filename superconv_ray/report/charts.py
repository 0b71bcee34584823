"""Charts as Altair objects, from frames that can be had without them.

Needs the optional packages of ``pip install 'superconv_ray[report]'``. Colours are those of Okabe
and Ito, which the colour-blind can tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import vl_convert

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#6b6b6b"
FAMILIES = {"Smith": ORANGE, "fastai": BLUE, "Lightning": GREEN}
"""Colour of a rule by the first word of its source."""
WIDTH = 640
PNG_SCALE = 2.0


def range_test_chart(
    table: pd.DataFrame, rules: pd.DataFrame, curves: pd.DataFrame, titles: Mapping[int, str]
) -> alt.VConcatChart:
    """LR range tests, one below the other: accuracy, losses and every rule's rate over the LR.

    Args:
        table: From `range_test_table`, by "cell"; a row a test.
        rules: From `suggestions`, by "cell".
        curves: From `mean_curves`, by "cell".
        titles: What to call each cell.
    """
    tests = [
        _one_test(
            row,
            rules[(rules["cell"] == row["cell"]) & rules["lr"].notna()],
            curves[curves["cell"] == row["cell"]],
            titles[row["cell"]],
        )
        for _, row in table.iterrows()
    ]
    chart: alt.VConcatChart = (
        _stacked(*tests, spacing=40)
        .configure_axis(labelFontSize=11, titleFontSize=12, titleFontWeight="normal")
        .configure_view(stroke="#cccccc")
    )
    return chart


def save_chart(chart: alt.VConcatChart, path: Path) -> None:
    """Write a chart as PNG, SVG, or an HTML page that needs no network.

    Raises:
        ValueError: The file's name ends in none of .png, .svg, .html.
        OSError: The file cannot be written.
    """
    if path.suffix == ".png":
        path.write_bytes(vl_convert.vegalite_to_png(chart.to_json(), scale=PNG_SCALE))
    elif path.suffix == ".svg":
        path.write_text(vl_convert.vegalite_to_svg(chart.to_json()))
    elif path.suffix == ".html":
        path.write_text(chart.to_html(inline=True))
    else:
        raise ValueError(f"a chart's file must end in .png, .svg or .html, got {str(path)!r}")


def _one_test(
    row: pd.Series[Any], rules: pd.DataFrame, curve: pd.DataFrame, title: str
) -> alt.VConcatChart:
    rates = pd.concat([curve["lr"], rules["lr"]])
    scale = alt.Scale(type="log", domain=[rates.min() / 1.2, rates.max() * 1.5], nice=False)
    band = _band(row, scale)
    diverged = "; dashed: a seed diverges" if row["diverged"] else ""
    heading = alt.TitleParams(
        title,
        subtitle=f"verdict: {row['verdict']}; shaded: at least 95 % of the peak accuracy{diverged}",
        anchor="start",
        fontSize=13,
        subtitleColor=GREY,
    )
    panels = {
        200: _accuracy(curve, row, scale),
        160: _losses(curve, row, scale),
        22 * len(rules): _rules(rules, scale),
    }
    sized = [
        alt.layer(*band, *layers, width=WIDTH, height=height) for height, layers in panels.items()
    ]
    return _stacked(*sized, spacing=6, title=heading)


def _stacked(*charts: Any, **settings: Any) -> alt.VConcatChart:
    """Altair charts below one another, each with its own legend."""
    stacked: alt.VConcatChart = alt.vconcat(*charts, **settings).resolve_scale(
        color="independent", shape="independent", strokeDash="independent"
    )
    return stacked


def _rate_axis(scale: alt.Scale, *, titled: bool = False) -> alt.X:
    axis = alt.Axis(
        title="learning rate (log scale)" if titled else None,
        labels=titled,
        format="~g",
        labelOverlap="greedy",
        labelSeparation=6,
        gridOpacity=0.4,
    )
    return alt.X("lr:Q", scale=scale, axis=axis)


def _band(row: pd.Series[Any], scale: alt.Scale) -> list[alt.Chart]:
    """The plateau, and where a seed first diverged."""
    edges = pd.DataFrame({"lr": [row["plateau_low"]], "end": [row["plateau_high"]]})
    shade = alt.Chart(edges).mark_rect(color=GREEN, opacity=0.13)
    lost = alt.Chart(pd.DataFrame({"lr": [row["divergence_lr"]]}).dropna())
    x = alt.X("lr:Q", scale=scale)
    return [
        shade.encode(x=x, x2="end:Q"),
        lost.mark_rule(color=ORANGE, strokeDash=[5, 4]).encode(x=x),
    ]


def _accuracy(curve: pd.DataFrame, row: pd.Series[Any], scale: alt.Scale) -> list[alt.Chart]:
    percent = curve.assign(
        accuracy=100 * curve["accuracy"], smoothed=100 * curve["smoothed_accuracy"]
    )
    x, title = _rate_axis(scale), f"{row['labels']} accuracy (%)"
    base = alt.Chart(percent).encode(x=x)
    peak = pd.DataFrame(
        {
            "lr": [row["peak_lr"]],
            "low": [row["low"]],
            "high": [row["high"]],
            "smoothed": [100 * row["peak_accuracy"]],
            "text": [f"peak {row['peak_lr']:g}"],
        }
    )
    y = alt.Y("smoothed:Q", title=title)
    mark = alt.Chart(peak).encode(x=x, y=y)
    interval = alt.Chart(peak.dropna()).mark_rule(color=ORANGE, strokeWidth=3)
    return [
        base.mark_circle(color=BLUE, opacity=0.35, size=18).encode(
            y=alt.Y("accuracy:Q", title=title)
        ),
        base.mark_line(color=BLUE, strokeWidth=2).encode(y=y),
        interval.encode(x=alt.X("low:Q", scale=scale), x2="high:Q", y=y),
        mark.mark_point(color=ORANGE, filled=True, size=70, opacity=1),
        mark.mark_text(dy=14, color=ORANGE, fontWeight="bold").encode(text="text:N"),
    ]


def _losses(curve: pd.DataFrame, row: pd.Series[Any], scale: alt.Scale) -> list[alt.Chart]:
    names = {"train_loss": "training", "held_out_loss": str(row["labels"])}
    order = list(names.values())
    long = curve.rename(columns=names).melt("lr", order, "loss of", "loss")
    y = alt.Y(
        "loss:Q",
        title="cross-entropy (log scale)",
        scale=alt.Scale(type="log"),
        axis=alt.Axis(tickCount=4, gridOpacity=0.4, format="~g"),
    )
    lines = (
        alt.Chart(long[long["loss"] > 0])
        .mark_line(strokeWidth=2)
        .encode(
            x=_rate_axis(scale),
            y=y,
            color=alt.Color("loss of:N", scale=alt.Scale(domain=order, range=[PURPLE, BLUE])),
            strokeDash=alt.StrokeDash(
                "loss of:N", scale=alt.Scale(domain=order, range=[[1, 0], [5, 3]])
            ),
        )
    )
    return [lines]


def _rules(rules: pd.DataFrame, scale: alt.Scale) -> list[alt.Chart]:
    """Every rule's rate on a line of its own, so that none hides another."""
    named = rules.assign(
        family=rules["source"].str.split().str[0], text=rules["lr"].map("{:.3g}".format)
    )
    base = alt.Chart(named).encode(
        x=_rate_axis(scale, titled=True), y=alt.Y("rule:N", sort=None, title=None)
    )
    families = list(FAMILIES)
    colours = alt.Scale(domain=families, range=list(FAMILIES.values()))
    return [
        base.mark_point(filled=True, size=70, opacity=1).encode(
            color=alt.Color("family:N", scale=colours, title="rule of"),
            shape=alt.Shape("family:N", scale=alt.Scale(domain=families), title="rule of"),
        ),
        base.mark_text(align="left", dx=8).encode(text="text:N"),
    ]
