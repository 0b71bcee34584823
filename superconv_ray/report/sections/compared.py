"""Sections that compare arms: gaps, trend, accuracy, undecided comparisons, cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from superconv_ray.analysis import arm_summary, compare, decision_cost, effort, gap_trend
from superconv_ray.design.metrics import Metric
from superconv_ray.design.text import column_name, counted, duration
from superconv_ray.report import charts
from superconv_ray.report.content import Section
from superconv_ray.report.readable import Quantity, count, difference, measured, over_words
from superconv_ray.report.sections.layout import along_x, code_of, drawn
from superconv_ray.report.study_results import StudyResults
from superconv_ray.report.tables import DIVERGED, looks_note


def gaps(results: StudyResults) -> Iterator[Section]:
    """Gaps of the first arm to the others."""
    if len(results.arms) < 2:
        return
    arm, frame = results.arms[0], results.comparison
    x = _along_x_of_gaps(results)
    facet = [axis for axis in results.axes if axis != x]
    metric = results.metric
    gap = f"{arm} minus each baseline" if metric.maximize else f"Each baseline minus {arm}"
    text = (
        f"{gap} in {metric.differences_on(results.measured_on)}, paired by "
        "seed and subset, with t intervals that hold together at 95 %. The better arm is certain "
        "where an interval leaves 0 out; the arms are equivalent where it lies between the dashed "
        "lines, the smallest gap that counts."
    )
    text += f" They are over {over_words(frame)}. Arrows mark ends beyond the axis."
    yield Section(
        name="gaps",
        title=f"Gains of {arm}",
        text=" ".join([text, *looks_note(results.looks)]),
        frame=frame,
        code=_comparison_code(results),
        quantities=(
            difference(metric),
            difference(metric, "bootstrap interval", ("bootstrap_low", "bootstrap_high")),
            count("pairs"),
        ),
        chart=drawn(
            charts.gaps,
            frame,
            results.all_arms,
            x,
            facet=facet,
            margin=results.margin,
            metric=metric,
        ),
    )


def _along_x_of_gaps(results: StudyResults) -> str:
    """The column along x: the baselines, if they outnumber the one or two points of the only axis.

    Side by side at each of two points, the marks of ten baselines hide each other. More points,
    such as numbers of labels, show a course.
    """
    if len(results.axes) == 1:
        (axis,) = results.axes
        if results.comparison[axis].nunique() <= min(2, len(results.arms) - 2):
            return "baseline"
    return along_x(results, "baseline")


def _comparison_code(results: StudyResults, result: str = "") -> str:
    arm, *baselines = results.arms
    given = (arm, baselines, results.axes, results.value)
    options: dict[str, Any] = {"looks": results.looks, "family": results.family}
    if results.definition.margin:
        options["margin"] = results.margin
    return code_of(compare, "trainings", *given, result=result, **options)


def trend(results: StudyResults) -> Iterator[Section]:
    """Change of the gain as labels become scarce."""
    if len(results.arms) < 2 or "data_count" not in results.axes:
        return
    arm, *baselines = results.arms
    yield Section(
        name="trend",
        title="Does the gain grow as labels become scarce?",
        text=(
            "Change when the labels are cut to a tenth: of the gap, and of the ratio of errors, "
            f"that of the baseline over that of {arm}, as a factor. Both are slopes of each seed "
            "over the logarithm of the labels, with t intervals that hold together at 95 %. Errors "
            "grow as labels become scarce, so that a gap grows although the ratio stays: only a "
            f"factor above 1 shows that scarce labels favor {arm}."
        ),
        frame=results.trend,
        code=code_of(
            gap_trend, "trainings", arm, baselines, results.axes_but_labels, results.value
        ),
        quantities=(
            difference(results.metric, "change"),
            count("seeds"),
            count("label counts", "points"),
            Quantity("factor of the error ratio", ("ratio", "ratio_low", "ratio_high")),
        ),
    )


def accuracy(results: StudyResults) -> Iterator[Section]:
    """Accuracy, or another metric, of every arm at every point."""
    metric = results.metric
    frame = arm_summary(results.trainings, results.axes, results.value)
    x = results.budget_axis or along_x(results, "arm")
    facet = [axis for axis in results.axes if axis != x]
    seeds = sorted(set(frame["n"]))
    counts = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    yield Section(
        name=metric.suffix,
        title=f"{metric.title} at each budget" if x == results.budget_axis else metric.title,
        text=(
            f"{results.measured_on.capitalize()} {metric.label}, mean and 95 % interval over "
            f"{counts} {over_words(frame)}.{_diverged(frame, metric)}"
        ),
        frame=frame,
        code=code_of(arm_summary, "trainings", results.axes, results.value),
        quantities=(measured(metric, results.measured_on), count("seeds")),
        chart=drawn(
            charts.accuracy,
            frame,
            results.all_arms,
            x,
            facet=facet,
            label=f"{results.measured_on} {metric.heading}",
            metric=metric,
        ),
    )


def _diverged(frame: pd.DataFrame, metric: Metric) -> str:
    lost = frame["diverged"].sum()
    runs = counted(int(lost), "training")
    counted_as = DIVERGED[metric.suffix].format(metric.label)
    return f" {runs} diverged. Diverged trainings count with {counted_as}." if lost else ""


def undecided(results: StudyResults) -> Iterator[Section]:
    """Undecided comparisons, and the cost of deciding them."""
    if len(results.arms) < 2:
        return
    table = results.comparison
    frame = decision_cost(results.trainings, table, results.axes, results.value)
    if frame.empty:
        return
    are = "is" if len(frame) == 1 else "are"
    yield Section(
        name="undecided",
        title="Undecided comparisons",
        text=(
            f"{len(frame)} of {counted(len(table), 'comparison')} {are} undecided. "
            + _seeds_to_decide(frame)
        ),
        frame=frame,
        code=f"{_comparison_code(results, result='gaps')}\n"
        + code_of(decision_cost, "trainings, gaps", results.axes, results.value),
        quantities=(difference(results.metric), count("pairs")),
    )


def _seeds_to_decide(frame: pd.DataFrame) -> str:
    unknown = int(frame["further_seeds"].isna().sum())
    if unknown == len(frame):
        return "How many seeds would decide that cannot be estimated."
    text = (
        "The further seeds would decide each with probability 80 %, given what its pairs so far "
        "tell of its gap and spread. Counted as one more look, these seeds would take at most "
        f"{duration(3600 * frame['hours'].sum())} of training on this hardware."
    )
    which = counted(unknown, "comparison")
    return f"{text} For {which} the number is unknown; the notes say why." if unknown else text


def cost(results: StudyResults) -> Iterator[Section]:
    """Cost of each arm, including the choice of its settings."""
    spent = effort(results.trials)
    yield Section(
        name="effort",
        title="Cost of the arms",
        text=(
            "Trials and optimizer steps of every arm. All but trainings chose settings: the "
            "comparison is fair if the arms' efforts are alike."
        ),
        frame=spent,
        code=code_of(effort, "trials"),
        words={"role": {role: column_name(role) for role in spent["role"]}},
    )
