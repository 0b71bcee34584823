"""Parts of charts: data, axes, marks of arms, intervals and panels."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from superconv_ray.design.metrics import Metric
from superconv_ray.design.text import column_name, interval_text, place_text
from superconv_ray.report import theme
from superconv_ray.report.charts.log_axes import log_axis, log_scale

PERCENT = 100
DODGE = 6
"""Pixels between arms at the same place, so that intervals do not overlap."""
WIDEST = 42
"""Largest number of pixels between the first and the last of them."""
MOST_TICKS = 12
"""Largest number of measured values that are all ticks of their axis."""
PANEL_COLUMNS = 2
WITHOUT_GAP = 3
"""As many panels are side by side, rather than two of them above one."""
LINE = 54
"""Characters of a title that fit a line of a narrow page."""
LEGEND_WIDTH = 320
"""Width of the columns of a legend in px."""


def in_units(
    frame: pd.DataFrame, metric: Metric, sign: str = "", form: str | None = None
) -> pd.DataFrame:
    """A frame with mean, low and high as numbers that are shown, and their text.

    Args:
        frame: With columns mean, low, high.
        metric: What was measured.
        sign: "+" shows signs, for differences.
        form: Format of a number, such as ``.3g``; None: the metric's.
    """
    columns = ["mean", "low", "high"]
    rows = frame.assign(
        **{name: metric.factor * frame[name].astype(np.float64) for name in columns}
    )
    return rows.assign(text=interval_texts(rows, form or sign + metric.form(*rows["mean"])))


def interval_texts(frame: pd.DataFrame, form: str, mean: str = "mean") -> list[str]:
    """Estimate and interval of every row, as ``85.2 [82.1, 88.3]``, for tooltips.

    Args:
        frame: With columns low and high, and an estimate.
        form: Format of a number, such as ``.1f``.
        mean: Column of the estimate.
    """
    rows = frame[[mean, "low", "high"]].astype(np.float64).itertuples(index=False, name=None)
    return [interval_text(value, low, high, form) for value, low, high in rows]


def inline(frame: pd.DataFrame) -> alt.InlineData:
    """Data of a chart, numbers to six digits to keep pages small; null if not finite.

    Altair rejects frames of 5,000 rows or more.
    """
    columns = {str(name): _plain(column) for name, column in frame.items()}
    data = alt.InlineData(values=[])
    # Set afterwards: the constructor validates each row, which takes seconds. A tuple: a list would
    # be copied, with all that is in it, whenever the chart becomes part of another one.
    data["values"] = tuple(
        dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
    )
    return data


def _plain(column: pd.Series[Any]) -> list[Any]:
    """A column for JSON."""
    if pd.api.types.is_float_dtype(column):
        numbers = column.to_numpy(np.float64, na_value=np.nan).tolist()
        return [float(f"{v:.6g}") if math.isfinite(v) else None for v in numbers]
    known = column.astype(object).where(column.notna(), None).tolist()
    if pd.api.types.is_integer_dtype(column) or pd.api.types.is_bool_dtype(column):
        return known
    return [None if value is None else str(value) for value in known]


def arm_rows(frame: pd.DataFrame, arms: Sequence[str], facet: Sequence[str] = ()) -> pd.DataFrame:
    """Rows of these arms, with their horizontal offset and their panel."""
    rows = frame[frame["arm"].isin(arms)]
    present = [arm for arm in arms if arm in set(rows["arm"])]
    position = rows["arm"].map({arm: i for i, arm in enumerate(present)}).astype(np.float64)
    apart = min(DODGE, WIDEST / max(1, len(present) - 1))
    dodge = apart * (position - (len(present) - 1) / 2)
    # Axes of names are in the order of the rows.
    return rows.assign(dodge=dodge, panel=panels(rows, facet)).iloc[
        np.argsort(position, kind="stable")
    ]


DODGED = alt.expr("datum.dodge")
"""Offset of a mark in pixels, independent of axis and width."""


def panels(frame: pd.DataFrame, facet: Sequence[str]) -> pd.Series[str]:
    """Title of the panel of each row, a line for each setting; empty without a facet."""
    texts = [
        "\n".join(place_text(row, [axis]) for axis in facet) for row in frame.to_dict("records")
    ]
    return pd.Series(texts, frame.index, dtype=str)


DRAWN = ("arm", "mean", "low", "high", "text", "dodge", "panel")
"""Columns that all charts draw."""


def drawn(rows: pd.DataFrame, columns: Sequence[str]) -> alt.InlineData:
    """Data of a chart: the columns `DRAWN`, as far as there are any, and these."""
    return inline(rows[[name for name in rows if name in (*DRAWN, *columns)]])


def view(
    layers: Iterable[alt.Chart],
    rows: pd.DataFrame,
    columns: Sequence[str],
    facet: Sequence[str],
    height: int,
    abreast: int | None = None,
) -> alt.LayerChart | alt.FacetChart:
    """Layers on top of each other, once or for each panel.

    Args:
        layers: Charts without data.
        rows: Their data, with a column panel.
        columns: Columns to draw besides `DRAWN`.
        facet: Columns with a panel for each combination of their values, sorted by them.
        height: Height of a panel in px.
        abreast: Largest number of panels side by side.
    """
    data = drawn(rows, columns)
    if not facet:
        return layered(*layers, data=data, width=theme.WIDTH, height=height)
    order = rows.sort_values(list(facet))["panel"].unique()
    wide = WITHOUT_GAP if len(order) == WITHOUT_GAP else PANEL_COLUMNS
    abreast = min(abreast or wide, max(1, len(order)))
    panel = layered(*layers, width=theme.WIDTH // abreast, height=height)
    titles = alt.Header(title=None, labelExpr=r"split(datum.label, '\n')")
    faceted: alt.FacetChart = panel.facet(
        facet=alt.Facet("panel:N", header=titles, sort=list(order)), data=data, columns=abreast
    )
    # A shared axis would also be drawn below empty places in the last row.
    independent: alt.FacetChart = faceted.resolve_axis(x="independent")
    return independent


def layered(*layers: Any, **settings: Any) -> alt.LayerChart:
    """Charts on top of each other, none of which is interactive."""
    chart = alt.LayerChart(**settings)
    # Set afterwards, as below: the constructor copies all charts to look for interactive ones.
    chart["layer"] = list(layers)
    return chart


def stacked(*charts: Any, **settings: Any) -> alt.VConcatChart:
    """Charts in a column, each with its own scales and legends; none is interactive."""
    own = alt.ScaleResolveMap(color="independent", shape="independent", strokeDash="independent")
    below = alt.VConcatChart(resolve=alt.Resolve(scale=own), **settings)
    below["vconcat"] = list(charts)
    return below


def x_of(rows: pd.DataFrame, column: str) -> alt.X:
    """A logarithmic axis with a tick at every measured value; if not all are > 0, one of names."""
    name, values = column_name(column), rows[column].dropna()
    if not (pd.api.types.is_numeric_dtype(values) and (values > 0).all()):
        crowded = sum(map(len, map(str, values.unique()))) > LINE
        axis = alt.Axis(labelAngle=-40 if crowded else 0)
        return alt.X(f"{column}:O", title=name, sort=None, axis=axis)
    places = sorted({float(value) for value in values})
    return alt.X(
        f"{column}:Q",
        title=f"{name} (log scale)",
        scale=log_scale(values, beside=max(rows.get("dodge", pd.Series()).abs(), default=0.0)),
        axis=log_axis(places if len(places) <= MOST_TICKS else None),
    )


def y_of(column: str, title: str | list[str], **settings: Any) -> alt.Y:
    """A linear axis that need not start at zero."""
    return alt.Y(f"{column}:Q", title=title, scale=alt.Scale(zero=False), **settings)


def place_tooltip(column: str) -> alt.Tooltip:
    """Tooltip of the position along an axis."""
    return alt.Tooltip(f"{column}:N", title=column_name(column))


def legend_of(labels: Sequence[str], **settings: Any) -> alt.Legend:
    """A legend above the chart, in as many columns as fit a narrow page."""
    longest = max(map(len, labels), default=1)
    fitting = max(1, LEGEND_WIDTH // (40 + 7 * longest))
    columns = math.ceil(len(labels) / max(1, math.ceil(len(labels) / fitting)))
    return alt.Legend(
        orient="top", columns=columns, values=list(labels), symbolOpacity=1, **settings
    )


def wrapped(text: str) -> list[str]:
    """Lines that fit a narrow page."""
    return textwrap.wrap(text, LINE) or [""]


def arm_encodings(
    arms: Sequence[str],
    shown: Iterable[str],
    *,
    title: str | None = None,
    legend: bool = True,
    lines: bool = False,
) -> Mapping[str, Any]:
    """Color, shape and dash of every arm, in one legend.

    Args:
        arms: The study's arms; their positions determine how they look.
        shown: Arms in the legend.
        title: Title of the legend.
        legend: Whether to draw a legend.
        lines: Whether the legend shows lines, for charts whose shapes say something else.
    """
    present = set(shown)
    symbol = {"symbolType": "stroke"} if lines else {}
    key = legend_of([arm for arm in arms if arm in present], **symbol) if legend else None
    options: dict[str, Any] = {"title": title, "legend": key, "sort": list(arms)}
    scales = theme.arm_scales(arms)
    return {
        "color": alt.Color("arm:N", scale=scales["color"], **options),
        "shape": alt.Shape("arm:N", scale=scales["shape"], **options),
        "strokeDash": alt.StrokeDash("arm:N", scale=scales["strokeDash"], **options),
    }


def line(look: Mapping[str, Any], **settings: Any) -> Any:
    """A line for each arm."""
    mark = alt.Chart().mark_line(strokeWidth=2, **settings)
    return mark.encode(color=look["color"], strokeDash=look["strokeDash"])


def points(look: Mapping[str, Any], **settings: Any) -> Any:
    """A mark in the color and shape of the arm for each row."""
    mark = alt.Chart().mark_point(**{"filled": True, "size": 55, "opacity": 1, **settings})
    return mark.encode(color=look["color"], shape=look["shape"])


def shaped_points(
    look: Mapping[str, Any], shape: alt.Shape, arms: Sequence[str], **encoded: Any
) -> Iterator[Any]:
    """Marks in the color of the arm whose shape says something else.

    Args:
        look: From `arm_encodings`.
        shape: What the shape says.
        arms: The study's arms; those that repeat a color have hollow marks.
        encoded: Further encodings of the marks.
    """
    repeated = alt.FieldOneOfPredicate(field="arm", oneOf=theme.hollow(arms))
    own = {**look, "shape": shape}
    settings: dict[str, Any] = {"xOffset": DODGED, "size": 80}
    yield (points(own, **settings).encode(**encoded).transform_filter({"not": repeated}))
    if theme.hollow(arms):
        hollow = points(own, filled=False, strokeWidth=2, **settings)
        yield hollow.encode(**encoded).transform_filter(repeated)


def bars(look: Mapping[str, Any], **settings: Any) -> Any:
    """Interval bars."""
    mark = alt.Chart().mark_rule(strokeWidth=1.5, **settings)
    return mark.encode(color=look["color"], strokeDash=look["strokeDash"])


def open_end(end: str, look: Mapping[str, Any], at: alt.X, height: alt.Y) -> alt.Chart:
    """Arrow heads where intervals go beyond the axis, as a column low_open or high_open says."""
    up = end == "high"
    head = alt.Chart().transform_filter(f"datum.{end}_open")
    arrows: alt.Chart = head.mark_point(
        shape="triangle-up" if up else "triangle-down",
        filled=True,
        size=45,
        opacity=1,
        xOffset=DODGED,
    ).encode(x=at, y=height, color=look["color"])
    return arrows


def band(look: Mapping[str, Any]) -> Any:
    """The area between the ends of intervals."""
    area = alt.Chart().mark_area(opacity=0.18, clip=True)
    known = area.transform_filter("isValid(datum.low) && isValid(datum.high)")
    return known.encode(color=look["color"])


def reference(**at: Any) -> Any:
    """A dashed reference line."""
    return alt.Chart().mark_rule(style="reference").encode(**at)
