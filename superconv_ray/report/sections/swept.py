"""Sections on the settings that a study sweeps: labels, budgets, regularization, batch size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import pandas as pd

from superconv_ray.analysis import (
    arm_summary,
    compare_laws,
    generalization_gap,
    label_worth,
    optimum,
    scaling_band,
    scaling_fits,
    speedup,
)
from superconv_ray.analysis.frames import REPLICATE
from superconv_ray.analysis.long_runs import FEWER_TIMES
from superconv_ray.analysis.scaling.shape import FEWEST_POINTS
from superconv_ray.design.metrics import ACCURACY
from superconv_ray.design.text import column_name
from superconv_ray.report import charts
from superconv_ray.report.against_baselines import compares_budgets, rows_against_baselines
from superconv_ray.report.axes import REGULARIZING, balanced_settings, same_seeds
from superconv_ray.report.content import Section
from superconv_ray.report.readable import (
    PERCENT,
    Quantity,
    count,
    difference,
    factor,
    measured,
    reaching,
)
from superconv_ray.report.sections.layout import code_of, drawn
from superconv_ray.report.study_results import StudyResults
from superconv_ray.report.verdict import SUPER_CONVERGENCE


def scaling(results: StudyResults) -> Iterator[Section]:
    """Scaling of the error with labels, and the labels that the first arm saves."""
    if results.axes != ["data_count"] or results.trainings["data_count"].nunique() < FEWEST_POINTS:
        return
    if results.metric.share:
        yield _law(results)
        yield _laws(results)
    yield from _worth(results)


def _law(results: StudyResults) -> Section:
    trainings, value = results.trainings, results.value
    summary = arm_summary(trainings, results.axes, value)
    return Section(
        name="scaling",
        title="How the error falls with labels",
        text=(
            "error in % = a n^-b + c for every arm, fitted to the means over seeds, with 95 % "
            "bootstrap intervals. Extrapolation is the relative error with which the law of the "
            "other points predicts the last one. A note says where a curve determines no fit."
        ),
        frame=scaling_fits(trainings, value=value),
        code=code_of(scaling_fits, "trainings", value=value),
        quantities=(
            Quantity("a (%)", ("a", "a_low", "a_high"), PERCENT),
            Quantity("b", ("b", "b_low", "b_high")),
            Quantity("c (%)", ("c", "c_low", "c_high"), PERCENT),
            Quantity(
                "extrapolation (%)",
                ("extrapolation", "extrapolation_low", "extrapolation_high"),
                PERCENT,
                "+",
            ),
            Quantity("misfit (%)", ("misfit",), PERCENT),
        ),
        chart=charts.scaling(summary, scaling_band(trainings, value=value), results.all_arms),
    )


def _laws(results: StudyResults) -> Section:
    trainings, value = results.trainings, results.value
    frame = compare_laws(trainings, value=value)
    return Section(
        name="laws",
        title="Which law predicts the most labels",
        text=(
            "Every law is fitted to all numbers of labels but the largest, and predicts the error "
            "there. Extrapolation is the relative error of the prediction, with its 95 % bootstrap "
            "interval: the best law is near 0. The last value predicts no change. One point is a "
            "weak judge: it shows which laws fail here, not which is true."
        ),
        frame=frame,
        code=code_of(compare_laws, "trainings", value=value),
        quantities=(
            Quantity("measured (%)", ("measured",), PERCENT),
            Quantity("predicted (%)", ("predicted",), PERCENT),
            Quantity("extrapolation (%)", ("extrapolation", "low", "high"), PERCENT, "+"),
        ),
    )


def _worth(results: StudyResults) -> Iterator[Section]:
    trainings, value = results.trainings, results.value
    arm, *baselines = results.arms
    if not baselines:
        return
    worth = label_worth(trainings, arm, baselines, value=value)
    yield Section(
        name="label_worth",
        title=f"Labels that {arm} saves",
        text=(
            f"Labels that a baseline needs to match {arm} with n labels, as a factor of n. Above "
            f"1, {arm} saves labels."
        ),
        frame=worth,
        code=code_of(label_worth, "trainings", arm, baselines, value=value),
        quantities=(
            measured(results.metric, arm, ("mean",)),
            factor(),
            count("labels of the baseline", "baseline_labels"),
        ),
        chart=charts.speedup(worth, results.all_arms, "data_count"),
    )


def super_convergence(results: StudyResults) -> Iterator[Section]:
    """Steps in which the first arm is as good as long runs of others, and they as it."""
    if results.time_to_accuracy.empty:
        return
    others = results.axes_but_budget
    makers = (_to_the_long_runs, _at_each_budget)
    # A single factor is no picture: that of all budgets says more.
    single = len(results.time_to_accuracy) == 1
    yield from (make(results, others) for make in (makers[::-1] if single else makers))


def speed(results: StudyResults) -> Iterator[Section]:
    """Steps in which others are as good as the first arm, if that is not the study's question."""
    if compares_budgets(results) and results.time_to_accuracy.empty:
        yield _at_each_budget(results, results.axes_but_budget)


def _to_the_long_runs(results: StudyResults, others: list[str]) -> Section:
    arm, *baselines = results.arms
    frame = results.time_to_accuracy
    x = next((axis for axis in ("data_count", *others) if axis in others), "baseline")
    return Section(
        name="super_convergence",
        title=f"How many times fewer steps {arm} needs",
        text=(
            f"Steps of each baseline's longest run, divided by those in which {arm} reaches its "
            f"final {results.metric.label}, with intervals that hold together at 95 %. Above 1, "
            f"{arm} needs fewer; from {FEWER_TIMES:g} on, by the interval, it super-converges. An "
            f"arrow is a bound: upwards, {arm} is better with its smallest budget already; "
            "downwards, it does not get there."
        ),
        frame=frame,
        code=(
            "import pandas as pd\nfrom superconv_ray.analysis import time_to_accuracy\n"
            f"family = {rows_against_baselines(results, others)}\n"
            "pd.concat(\n    [\n"
            f"        time_to_accuracy(trainings, {arm!r}, name, {others!r}, {results.value!r}, "
            "family=family).assign(baseline=name)\n"
            f"        for name in {baselines!r}\n    ],\n"
            "    ignore_index=True,\n)"
        ),
        quantities=reaching(results.metric, arm),
        words={"verdict": SUPER_CONVERGENCE},
        chart=drawn(
            charts.speedup,
            frame,
            results.all_arms,
            x,
            facet=[axis for axis in others if axis != x],
            enough=FEWER_TIMES,
        ),
    )


def _at_each_budget(results: StudyResults, others: list[str]) -> Section:
    arm, *baselines = results.arms
    frame = speedup(results.trainings, arm, baselines, others, results.value)
    return Section(
        name="speedup",
        title=f"Speed-up of {arm} at each budget",
        text=(
            f"Steps that a baseline needs to match the final {results.metric.label} of {arm}, as a "
            f"factor of each budget. Above 1, {arm} is faster. An arrow is a bound: upwards, the "
            "baseline never gets there; downwards, its shortest run already exceeds it."
        ),
        frame=frame,
        code=code_of(speedup, "trainings", arm, baselines, others, results.value),
        quantities=(
            measured(results.metric, arm, ("mean",)),
            factor(),
            count("steps of the baseline", "baseline_steps"),
        ),
        chart=drawn(charts.speedup, frame, results.all_arms, facet=others),
    )


def balance_first(results: StudyResults) -> Iterator[Section]:
    """The section of `balance`, if it shows the answer."""
    if balanced_settings(results.axes, results.all_arms):
        yield from _balances(results)


def balance(results: StudyResults) -> Iterator[Section]:
    """Sections on any two settings that regularize, below those that show the answer."""
    if not balanced_settings(results.axes, results.all_arms):
        yield from _balances(results)


def _balances(results: StudyResults) -> Iterator[Section]:
    """Accuracy over two settings that regularize, with the best of one at each of the other.

    There is none before every point has the same seeds: means would differ by seeds, too.
    """
    if not same_seeds(results.trainings, ["arm", *results.axes]):
        return
    swept = [name for name in REGULARIZING if name in results.axes]
    value = results.value
    for x, y in combinations(swept, 2):
        by = [axis for axis in results.axes if axis not in (x, y)]
        best = optimum(results.trainings, y, ["arm", x], value)
        mean = "" if not by else f" Averaged over {', '.join(by)}."
        yield Section(
            name=f"balance_{x}_{y}",
            title=f"The balance of {x} and {y}",
            text=(
                f"Mean {results.measured_on} {results.metric.worded}, and the best {y} at each {x} "
                f"with its 95 % bootstrap interval over seeds.{mean}"
            ),
            frame=best,
            code=code_of(optimum, "trainings", y, ["arm", x], value),
            quantities=(
                Quantity(f"best {column_name(y)}", ("best", "low", "high")),
                measured(results.metric, results.measured_on, (value,)),
            ),
            chart=charts.heatmap(
                arm_summary(_averaged(results, [x, y]) if by else results.trainings, [x, y], value),
                best,
                x=x,
                y=y,
                facet=["arm"] if len(results.arms) > 1 else [],
                label=f"{results.measured_on} {results.metric.heading}",
                metric=results.metric,
            ),
        )


def _averaged(results: StudyResults, settings: Sequence[str]) -> pd.DataFrame:
    """Trainings whose value is each seed's mean over all settings but these."""
    one = [*settings, "arm", *REPLICATE]
    means = results.trainings.groupby(one, dropna=False)[results.value].transform("mean")
    rows = results.trainings.assign(**{results.value: means}).drop_duplicates(one)
    return rows.drop(columns=["test_correct", "test_correct_reestimated"], errors="ignore")


def batch_size(results: StudyResults) -> Iterator[Section]:
    """Accuracy and generalization gap against the batch size."""
    if "batch_size" not in results.axes or results.value != "test_accuracy":
        return
    by = results.axes
    others = [axis for axis in by if axis != "batch_size"]
    frame = generalization_gap(results.trainings, by)
    yield Section(
        name="batch_size",
        title="Batch size and generalization gap",
        text="Training minus test accuracy, mean and 95 % t interval over seeds.",
        frame=frame,
        code=code_of(generalization_gap, "trainings", by),
        quantities=(difference(ACCURACY), count("seeds")),
        chart=drawn(
            charts.accuracy,
            frame,
            results.all_arms,
            "batch_size",
            facet=others,
            label="train minus test accuracy (points)",
        ),
    )
