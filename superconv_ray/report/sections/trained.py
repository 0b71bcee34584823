"""Sections on trainings: BN statistics, minima, Hessian-free estimates, curves, schedules."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from superconv_ray.analysis import (
    flatness,
    learning_curves,
    running_and_reestimated,
    schedule_table,
)
from superconv_ray.design.metrics import ACCURACY, Metric
from superconv_ray.design.text import column_name
from superconv_ray.design.trial_fields import schedule_fields
from superconv_ray.report import charts
from superconv_ray.report.charts.minima import CURVATURE_NAMES
from superconv_ray.report.charts.running import ESTIMATES
from superconv_ray.report.content import Section
from superconv_ray.report.readable import PERCENT, Quantity, count
from superconv_ray.report.sections.layout import code_of, drawn
from superconv_ray.report.study_results import NOTABLE, StudyResults


def batch_norm(results: StudyResults) -> Iterator[Section]:
    """Accuracy with running and with re-estimated BN statistics, if they differ."""
    frame = running_and_reestimated(results.trainings, results.axes)
    apart = (frame["reestimated"] - frame["running"]).abs()
    if not (apart >= NOTABLE).any():
        return
    yield Section(
        name="batch_norm",
        title="Running and re-estimated BN statistics",
        text=(
            "Each point is a training. Above the diagonal, running averages were stale and lower "
            f"the accuracy, by at most {100 * apart.max():.1f} points."
        ),
        frame=frame,
        code=code_of(running_and_reestimated, "trainings", results.axes),
        quantities=(
            Quantity("running (%)", ("running",), PERCENT, form=ACCURACY.form),
            Quantity("re-estimated (%)", ("reestimated",), PERCENT, form=ACCURACY.form),
        ),
        chart=charts.batch_norm(frame, results.all_arms),
    )


def minima(results: StudyResults) -> Iterator[Section]:
    """Curvature of the loss at the end of the trainings, if they measured it."""
    if not results.trainings["hessian_max"].notna().any():
        return
    axes = results.axes
    frame = flatness(results.trainings, axes)
    yield Section(
        name="flatness",
        title="Flatness of the minima",
        text=(
            "Each point is a training. Curvature falls with the loss itself: an arm ends in "
            "flatter minima if its points are lower than another's at equal training loss. The "
            "second curvature, of relative changes, does not depend on the scale of the weights."
        ),
        frame=frame,
        code=code_of(flatness, "trainings", axes),
        words={"measure": CURVATURE_NAMES},
        chart=charts.flatness(frame, results.all_arms, axes),
    )


def hessian_free(results: StudyResults) -> Iterator[Section]:
    """The Hessian-free estimate of the learning rate, if trainings made one."""
    if not results.trainings["hessian_free_interval"].notna().any():
        return
    axes, measures = results.axes, list(ESTIMATES)
    frame = learning_curves(results.trainings, results.curves, axes, measures)
    yield Section(
        name="hessian_free",
        title="Hessian-free estimate of the learning rate",
        text=(
            "Equation 8 of arXiv 1708.07120v3, smoothed, and the learning rate used; means "
            "over seeds with 95 % t intervals."
        ),
        frame=frame,
        code=code_of(learning_curves, "trainings, curves", axes, measures),
        quantities=(Quantity("mean [95 % interval]"), count("seeds")),
        words={"measure": ESTIMATES},
        chart=drawn(charts.hessian_free, frame, results.all_arms, facet=axes),
    )


def learning(results: StudyResults) -> Iterator[Section]:
    """Learning curves of every arm with bands over seeds."""
    axes = results.axes
    frame = learning_curves(results.trainings, results.curves, axes)
    if frame.empty:
        return
    yield Section(
        name="learning_curves",
        title="Learning curves",
        text="Means over seeds with 95 % intervals, at the steps measured for all seeds.",
        frame=frame,
        code=code_of(learning_curves, "trainings, curves", axes),
        quantities=(_measures(frame, results.metric), count("seeds")),
        words={"measure": {name: _measure(name, results.metric) for name in frame["measure"]}},
        chart=drawn(
            charts.learning_curves, frame, results.all_arms, facet=axes, metric=results.metric
        ),
    )


def _measures(frame: pd.DataFrame, metric: Metric) -> Quantity:
    """Means of several measures, of which some are shares."""
    accuracies = frame["measure"].str.endswith("accuracy")
    shares = accuracies | (frame["measure"].str.endswith("_metric") & metric.share)
    return Quantity("mean [95 % interval]", factor=shares.map({True: PERCENT, False: 1.0}))


def _measure(name: str, metric: Metric) -> str:
    labels, _, what = name.partition("_")
    known = {"accuracy": ACCURACY.heading, "metric": metric.heading}
    return f"{labels} {known[what]}" if what in known else column_name(name)


def schedules(results: StudyResults) -> Iterator[Section]:
    """Learning rate and momentum of the arms."""
    trainings, first = results.trainings, results.trainings["seed"].iloc[0]
    given = trainings[["arm", "steps", *schedule_fields()]].map(str)
    by = [] if given.drop_duplicates()["arm"].is_unique else results.axes
    places = given.assign(**{axis: trainings[axis].map(str) for axis in by}).drop_duplicates()
    source, text = "trainings", "Learning rate and momentum of the trainings at each step."
    if places.duplicated(["arm", *by]).any():
        source = f"trainings[trainings['seed'] == {first}]"
        text = (
            f"Learning rate and momentum at each step of the trainings with seed {first}: every "
            "seed has chosen settings of its own."
        )
        trainings = trainings[trainings["seed"] == first]
    frame = schedule_table(trainings, by, results.curves)
    yield Section(
        name="schedules",
        title="Schedules",
        text=text,
        frame=frame,
        code=code_of(schedule_table, f"{source}, {by!r}, curves"),
        chart=drawn(charts.schedules, frame, results.all_arms, facet=by),
    )
