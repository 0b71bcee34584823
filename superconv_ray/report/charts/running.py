"""Trainings over their steps: schedules, learning curves, Hessian-free estimates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from superconv_ray.design.metrics import ACCURACY, Metric
from superconv_ray.report.charts.log_axes import above_zero, log_y
from superconv_ray.report.charts.parts import (
    arm_encodings,
    arm_rows,
    band,
    in_units,
    interval_texts,
    legend_of,
    line,
    points,
    stacked,
    view,
    y_of,
)

HEIGHT = 200
MOMENTUM_HEIGHT = 90
STEP = alt.X("step:Q", title="step", axis=alt.Axis(format=",d", tickMinStep=1, labelSeparation=6))
TITLES = {
    "test_accuracy": "test accuracy (%)",
    "validation_accuracy": "validation accuracy (%)",
    "test_metric": "test {}",
    "validation_metric": "validation {}",
    "train_loss": "training loss (log scale)",
}
"""Axis titles of the measures of `learning_curves` that are drawn, in this order; {}: the metric.
"""

ESTIMATES = {"hessian_free_lr_smoothed": "Hessian-free estimate", "lr": "rate used"}
"""Names of the measures that `hessian_free` draws."""


def schedules(
    frame: pd.DataFrame, arms: Sequence[str], facet: Sequence[str] = ()
) -> alt.VConcatChart:
    """Learning rate and momentum of every arm over the steps.

    Args:
        frame: From `schedule_table`, by `facet`: arm, step, lr, momentum.
        arms: The study's arms.
        facet: Columns with a panel for each combination of their values.
    """
    rows = arm_rows(frame, arms, facet)
    tooltip = [
        alt.Tooltip("arm:N"),
        alt.Tooltip("step:Q", format=",d"),
        alt.Tooltip("lr:Q", title="learning rate", format=".3~g"),
        alt.Tooltip("momentum:Q", format=".3~g"),
    ]
    once = rows.groupby(["arm", "step"])["momentum"].nunique().max() <= 1
    look = arm_encodings(arms, rows["arm"])
    plain = arm_encodings(arms, rows["arm"], legend=False)
    rates = _lines(look, "lr", "learning rate", tooltip)
    momenta = _lines(plain, "momentum", "momentum", tooltip)
    columns = ["step", "lr", "momentum"]
    # Chosen rates may have different magnitudes.
    above = _own_steps(view(rates, rows, columns, facet, HEIGHT), facet, y="independent")
    panels = () if once else facet
    below = _own_steps(view(momenta, rows, columns, panels, MOMENTUM_HEIGHT), panels)
    return stacked(above, below)


def _lines(
    look: Mapping[str, Any], column: str, title: str, tooltip: list[alt.Tooltip]
) -> list[alt.Chart]:
    """Lines over the steps, and invisible points with tooltips."""
    encoded: dict[str, Any] = {"x": STEP, "y": y_of(column, title), "tooltip": tooltip}
    return [line(look).encode(**encoded), points(look, opacity=0).encode(**encoded)]


def learning_curves(
    frame: pd.DataFrame,
    arms: Sequence[str],
    facet: Sequence[str] = (),
    metric: Metric = ACCURACY,
) -> alt.VConcatChart:
    """Accuracy or metric, and training loss, of every arm, means over seeds with bands.

    Args:
        frame: From `analysis.learning_curves`, by `facet`: arm, step, measure, mean, low, high, n.
        arms: The study's arms.
        facet: Columns with a panel for each combination of their values.
        metric: What columns that end with "metric" hold.
    """
    rows = arm_rows(frame, arms, facet)
    measured = [measure for measure in TITLES if (rows["measure"] == measure).any()]
    return stacked(
        *(
            _curves(rows[rows["measure"] == measure], measure, metric, arms, facet, first=i == 0)
            for i, measure in enumerate(measured)
        )
    )


def _curves(
    rows: pd.DataFrame,
    measure: str,
    metric: Metric,
    arms: Sequence[str],
    facet: Sequence[str],
    *,
    first: bool,
) -> alt.LayerChart | alt.FacetChart:
    """One measure over the steps; the first one has the legend."""
    title = TITLES[measure].format(metric.heading)
    if measure.endswith(("accuracy", "metric")):
        rows = in_units(rows, ACCURACY if measure.endswith("accuracy") else metric)
        low, mean = y_of("low", title), y_of("mean", title)
    else:
        rows = above_zero(rows.assign(text=interval_texts(rows, ".3g")))
        low, mean = (log_y(end, title, rows["mean"]) for end in ("low", "mean"))
    look = arm_encodings(arms, rows["arm"], legend=first)
    tooltip = [
        alt.Tooltip("arm:N"),
        alt.Tooltip("step:Q", format=",d"),
        alt.Tooltip("text:N", title=f"{title.removesuffix(' (log scale)')} [95 % interval]"),
        alt.Tooltip("n:Q", title="seeds"),
    ]
    layers = [
        band(look).encode(x=STEP, y=low, y2="high:Q"),
        line(look).encode(x=STEP, y=mean),
        points(look, size=20).encode(x=STEP, y=mean, tooltip=tooltip),
    ]
    return _own_steps(view(layers, rows, ["step", "n"], facet, HEIGHT), facet)


def _own_steps(
    chart: alt.LayerChart | alt.FacetChart, facet: Sequence[str], **scales: Any
) -> alt.LayerChart | alt.FacetChart:
    """Each panel has an axis of its own: short runs would be a tenth of one for long runs.

    `scales` are further ones to set: those set later replace all that were set.
    """
    return chart.resolve_scale(x="independent", **scales) if facet else chart


def hessian_free(
    frame: pd.DataFrame, arms: Sequence[str], facet: Sequence[str] = ()
) -> alt.LayerChart | alt.FacetChart:
    """The Hessian-free estimate of the learning rate over the steps, next to the rate used.

    Args:
        frame: From `analysis.learning_curves` of the measures in `ESTIMATES`, by `facet`.
        arms: The study's arms.
        facet: Columns with a panel for each combination of their values.
    """
    rows = arm_rows(frame.assign(of=frame["measure"].map(ESTIMATES)), arms, facet)
    rows = above_zero(rows[rows["of"].notna()])
    rows = rows.assign(text=interval_texts(rows, ".3g"))
    names = list(ESTIMATES.values())
    dashes = alt.StrokeDash(
        "of:N",
        title=None,
        sort=names,
        scale=alt.Scale(domain=names, range=[[1, 0], [5, 4]]),
        legend=legend_of(names),
    )
    low, mean = (
        log_y(end, "learning rate (log scale)", pd.concat([rows["mean"], rows["high"]]).dropna())
        for end in ("low", "mean")
    )
    look = {**arm_encodings(arms, rows["arm"]), "strokeDash": dashes}
    tooltip = [
        alt.Tooltip("arm:N"),
        alt.Tooltip("of:N", title="rate"),
        alt.Tooltip("step:Q", format=",d"),
        alt.Tooltip("text:N", title="mean [95 % interval]"),
        alt.Tooltip("n:Q", title="seeds"),
    ]
    group = alt.Detail("of:N")
    layers = [
        band(look).encode(x=STEP, y=low, y2="high:Q", detail=group),
        line(look).encode(x=STEP, y=mean),
        points(look, size=25, opacity=0).encode(x=STEP, y=mean, tooltip=tooltip),
    ]
    return _own_steps(view(layers, rows, ["step", "n", "of"], facet, HEIGHT), facet)
