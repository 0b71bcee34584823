"""LR range tests, the learning rates that rules suggest, and the cost of following them."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from superconv_ray.analysis.range_tests.tables import RULES
from superconv_ray.analysis.statistics.intervals import DECIMALS
from superconv_ray.design.metrics import ACCURACY, Metric
from superconv_ray.report import theme
from superconv_ray.report.charts.log_axes import log_axis, log_scale, log_ticks, log_y
from superconv_ray.report.charts.parts import (
    PERCENT,
    inline,
    interval_texts,
    layered,
    legend_of,
    stacked,
    wrapped,
    y_of,
)

FAMILIES = {
    "superconv_ray": theme.ORANGE,
    "Smith": theme.VERMILLION,
    "fastai": theme.BLUE,
    "Lightning": theme.GREEN,
}
"""Color of a rule by the first word of its source."""
UPRIGHT = 26
"""Characters of a vertical title that fit `ACCURACY_HEIGHT`."""
ACCURACY_HEIGHT, LOSS_HEIGHT, RULE_HEIGHT, COST_HEIGHT = 200, 160, 22, 26


def range_tests(
    table: pd.DataFrame,
    rules: pd.DataFrame,
    curves: pd.DataFrame,
    titles: Mapping[int, str],
    metric: Metric = ACCURACY,
) -> alt.VConcatChart:
    """LR range tests, one below the other: metric, losses and every rule's rate over the LR.

    The first one has the legends.

    Args:
        table: From `range_test_table`, by "cell". Rows without a peak are not drawn.
        rules: From `suggestions`, by "cell".
        curves: From `mean_curves`, by "cell".
        titles: Title of each cell.
        metric: What was measured.
    """
    tests = [
        _one_test(
            row,
            rules[(rules["cell"] == row["cell"]) & rules["lr"].notna()],
            curves[curves["cell"] == row["cell"]],
            titles[row["cell"]],
            metric.in_range_tests,
            legends=place == 0,
        )
        for place, (_, row) in enumerate(table[table["peak_lr"].notna()].iterrows())
    ]
    return stacked(*tests, spacing=40)


def lr_rules(frame: pd.DataFrame, metric: Metric = ACCURACY) -> alt.LayerChart | alt.FacetChart:
    """Cost of following each rule, with its learning rate.

    Args:
        frame: From `rule_costs`. A rule of unknown cost has its rate only.
        metric: What was measured.
    """
    told = frame["cost"].notna()
    rates = frame["lr"].map("LR {:.3g}".format)
    rows = frame[["rule", "note"]].assign(
        family=_family(frame["rule"].map(RULES)),
        label=rates.where(told, rates + ": not known").where(frame["lr"].notna(), "no rate"),
    )
    ends = ["cost", "low", "high"]
    # Rounding errors around 0 would extend the axis below it.
    rows[ends] = (metric.factor * frame[ends]).round(DECIMALS) + 0.0
    rows["place"] = rows[ends].max(axis=1).fillna(0)
    rows["text"] = interval_texts(rows, metric.form(*rows["cost"]), "cost")
    rows["text"] = rows["text"].where(told, "not known")
    title = f"cost of {metric.label} ({metric.difference_unit})"
    tooltip = [
        alt.Tooltip("rule:N"),
        alt.Tooltip("label:N", title="rate"),
        alt.Tooltip("text:N", title=f"cost [95 % interval] in {metric.difference_unit}"),
        alt.Tooltip("note:N"),
    ]
    y = alt.Y("rule:N", sort=None, title=None)
    base = alt.Chart().encode(y=y, tooltip=tooltip)
    family = _family_encodings()
    return layered(
        alt.Chart().mark_rule(style="reference").encode(x=alt.datum(0)),
        base.mark_rule(strokeWidth=1.5).encode(
            x=alt.X("low:Q", title=title), x2="high:Q", color=family["color"]
        ),
        base.mark_point(filled=True, size=70, opacity=1).encode(
            x=alt.X("cost:Q", title=title), **family
        ),
        base.mark_text(align="left", dx=8).encode(x=alt.X("place:Q", title=title), text="label:N"),
        data=inline(rows),
        width=theme.WIDTH,
        height=alt.Step(COST_HEIGHT),
    )


def _one_test(
    row: pd.Series[Any],
    rules: pd.DataFrame,
    curve: pd.DataFrame,
    title: str,
    score: str,
    *,
    legends: bool,
) -> alt.VConcatChart:
    place = _Place(curve["lr"], rules["lr"])
    panels = {
        ACCURACY_HEIGHT: [*_accuracy(curve, row, score, place), *_labels(row, place)],
        LOSS_HEIGHT: _losses(curve, row, place, legend=legends),
        RULE_HEIGHT * len(rules): _rules(rules, place, legend=legends),
    }
    marked = _marked(row, place)
    sized = [
        layered(*marked, *layers, width=theme.WIDTH, height=height)
        for height, layers in panels.items()
    ]
    heading = alt.TitleParams(wrapped(f"{title}: {row['verdict']}"), anchor="start")
    return stacked(*sized, spacing=6, title=heading)


class _Place:
    """The axis of learning rates that the panels of a test share: linear or logarithmic as it is.

    Args:
        tested: The learning rates of the test.
        ruled: Those of the rules.
    """

    def __init__(self, tested: pd.Series[float], ruled: pd.Series[float]) -> None:
        rates = pd.concat([tested, ruled])
        self._linear = len(tested) > 2 and np.allclose(
            np.diff(tested, 2), 0, atol=1e-3 * rates.max()
        )
        if self._linear:
            self._scale = alt.Scale(domain=[0, rates.max() * 1.05], nice=False)
        else:
            self._scale = log_scale([rates.min() / 1.2, rates.max() * 1.5], room=0)
        self._ticks = log_ticks(rates)

    def share(self, lr: float) -> float:
        """How far along the axis a rate is, from 0 to 1."""
        low, high = self._scale.domain
        if self._linear:
            return float((lr - low) / (high - low))
        return math.log(lr / low) / math.log(high / low)

    def along(self, column: str = "lr") -> alt.X:
        """The scale without an axis, for marks in the background."""
        return alt.X(f"{column}:Q", scale=self._scale)

    def x(self, *, titled: bool = False) -> alt.X:
        """The axis; only the lowest panel has its title and labels."""
        title = f"learning rate{'' if self._linear else ' (log scale)'}" if titled else None
        axis = alt.Axis(labels=titled) if self._linear else log_axis(self._ticks, labels=titled)
        return alt.X("lr:Q", title=title, scale=self._scale, axis=axis)


LR = alt.Tooltip("lr:Q", title="learning rate", format=".3~g")


def _marked(row: pd.Series[Any], place: _Place) -> list[alt.Chart]:
    """The plateau, the recommended rate, and the rate at which a seed first collapsed."""
    edges = pd.DataFrame({"lr": [row["plateau_low"]], "end": [row["plateau_high"]]})
    shade = alt.Chart(inline(edges)).mark_rect(color=theme.GREEN, opacity=0.15)
    told = [
        alt.Tooltip("lr:Q", title="plateau from", format=".3~g"),
        alt.Tooltip("end:Q", title="to", format=".3~g"),
    ]
    used = alt.Chart(inline(pd.DataFrame({"lr": [row["max_lr"]]})))
    lost = alt.Chart(inline(pd.DataFrame({"lr": [row["collapse_lr"]]}).dropna()))
    return [
        shade.encode(x=place.along(), x2="end:Q", tooltip=told),
        used.mark_rule(color=theme.GREEN, strokeWidth=2).encode(
            x=place.along(), tooltip=alt.Tooltip("lr:Q", title="recommended max_lr")
        ),
        lost.mark_rule(color=theme.VERMILLION, strokeDash=[5, 4]).encode(
            x=place.along(), tooltip=alt.Tooltip("lr:Q", title="a seed collapses at", format=".3~g")
        ),
    ]


def _labels(row: pd.Series[Any], place: _Place) -> Iterator[alt.Chart]:
    """Names of the recommended rate, the peak and the collapse, below the curve."""
    lr, collapse = row["max_lr"], row["collapse_lr"]
    peak = _peak(row)
    named = {f"max_lr {lr:g}": (lr, 10), f"peak {peak['text'][0]}": (peak["lr"][0], 26)}
    for text, (rate, above) in named.items():
        right = place.share(rate) < 0.2
        yield _label(rate, text, ACCURACY_HEIGHT - above, place, right=right)
    if math.isfinite(collapse):
        right = place.share(collapse) < 0.85
        yield _label(collapse, "collapse", ACCURACY_HEIGHT // 2, place, right=right)


def _label(lr: float, text: str, height: int, place: _Place, *, right: bool) -> alt.Chart:
    label = alt.Chart(inline(pd.DataFrame({"lr": [lr], "text": [text]}))).mark_text(
        align="left" if right else "right", dx=5 if right else -5, fontWeight="bold"
    )
    placed: alt.Chart = label.encode(x=place.x(), y=alt.value(height), text="text:N")
    return placed


def _peak(row: pd.Series[Any]) -> pd.DataFrame:
    """The peak and its interval, as numbers and as text."""
    peak = pd.DataFrame(
        {
            "lr": [row["peak_lr"]],
            "low": [row["low"]],
            "high": [row["high"]],
            "robust": [PERCENT * row["peak_accuracy"]],
        }
    )
    peak["text"] = interval_texts(peak, ".3g", "lr")
    return peak


def _accuracy(
    curve: pd.DataFrame, row: pd.Series[Any], score: str, place: _Place
) -> list[alt.Chart]:
    rows = pd.DataFrame(
        {
            "lr": curve["lr"],
            "accuracy": PERCENT * curve["accuracy"],
            "robust": PERCENT * curve["robust_accuracy"],
        }
    )
    title = f"{row['labels']} {score} (%)"
    lines = textwrap.wrap(title, UPRIGHT)
    y = y_of("robust", lines)
    measured, found = alt.Chart(inline(rows)), alt.Chart(inline(_peak(row)))
    accuracies = [
        LR,
        alt.Tooltip("accuracy:Q", title=title, format=".1f"),
        alt.Tooltip("robust:Q", title="without spikes (%)", format=".1f"),
    ]
    told = [
        alt.Tooltip("text:N", title="peak at learning rate"),
        alt.Tooltip("robust:Q", title=title, format=".1f"),
    ]
    return [
        measured.mark_circle(color=theme.BLUE, opacity=0.35, size=18).encode(
            x=place.x(), y=y_of("accuracy", lines), tooltip=accuracies
        ),
        measured.mark_line(color=theme.BLUE, strokeWidth=2).encode(x=place.x(), y=y),
        found.mark_rule(color=theme.VERMILLION, strokeWidth=3).encode(
            x=place.along("low"), x2="high:Q", y=y, tooltip=told
        ),
        found.mark_point(color=theme.VERMILLION, filled=True, size=70, opacity=1).encode(
            x=place.x(), y=y, tooltip=told
        ),
    ]


def _losses(
    curve: pd.DataFrame, row: pd.Series[Any], place: _Place, *, legend: bool
) -> list[alt.Chart]:
    names = {"train_loss": "training", "held_out_loss": str(row["labels"])}
    order = list(names.values())
    long = curve.rename(columns=names).melt("lr", order, "of", "loss")
    long = long[long["loss"] > 0]
    dashes = alt.Scale(domain=order, range=[[1, 0], [5, 3]])
    key = legend_of(order) if legend else None
    shared: dict[str, Any] = {"title": "loss of", "legend": key, "sort": order}
    lines = alt.Chart(inline(long)).encode(
        x=place.x(),
        y=log_y("loss", "loss (log scale)", long["loss"]),
        color=alt.Color(
            "of:N", scale=alt.Scale(domain=order, range=[theme.PURPLE, theme.BLUE]), **shared
        ),
        strokeDash=alt.StrokeDash("of:N", scale=dashes, **shared),
        tooltip=[LR, alt.Tooltip("of:N", title="loss of"), alt.Tooltip("loss:Q", format=".3f")],
    )
    return [lines.mark_line(strokeWidth=2), lines.mark_point(size=20, opacity=0)]


def _rules(rules: pd.DataFrame, place: _Place, *, legend: bool) -> list[alt.Chart]:
    """The rate of each rule on its own line."""
    named = rules[["rule", "lr", "source"]].assign(
        family=_family(rules["source"]), text=rules["lr"].map("{:.3g}".format)
    )
    base = alt.Chart(inline(named)).encode(
        x=place.x(titled=True),
        y=alt.Y("rule:N", sort=None, title=None),
        tooltip=[alt.Tooltip("rule:N"), LR, alt.Tooltip("source:N")],
    )
    return [
        base.mark_point(filled=True, size=70, opacity=1).encode(**_family_encodings(legend=legend)),
        base.mark_text(align="left", dx=8).encode(text="text:N"),
    ]


def _family(sources: pd.Series[str]) -> pd.Series[str]:
    return sources.str.split().str[0]


def _family_encodings(*, legend: bool = True) -> dict[str, Any]:
    """Color and shape of the author of a rule, in one legend."""
    names = list(FAMILIES)
    key = legend_of(names) if legend else None
    shared: dict[str, Any] = {"title": "rule of", "legend": key, "sort": names}
    colors = alt.Scale(domain=names, range=list(FAMILIES.values()))
    shapes = alt.Scale(domain=names, range=list(theme.SHAPES[: len(names)]))
    return {
        "color": alt.Color("family:N", scale=colors, **shared),
        "shape": alt.Shape("family:N", scale=shapes, **shared),
    }
