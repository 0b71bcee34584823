"""Sections that compare arms: gaps, trend, accuracy, undecided comparisons, cost."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from superconv_ray.analysis import arm_summary, confidence_per_look, decision_cost, effort
from superconv_ray.design.text import counted, duration, in_words
from superconv_ray.report import charts
from superconv_ray.report.content import Section
from superconv_ray.report.sections.layout import along_x, fits
from superconv_ray.report.study_results import NOTABLE, StudyResults


def gaps(results: StudyResults) -> Iterator[Section]:
    """Gaps of the first arm to the others."""
    if len(results.arms) < 2:
        return
    arm, *baselines = results.arms
    frame = results.comparison
    x = along_x(results, "baseline")
    facet = [axis for axis in results.axes if axis != x]
    text = (
        f"{arm} minus each baseline in points of {results.measured_on} accuracy, paired by seed "
        "and subset, with 95 % t intervals. An interval above the zero line is a gain; one below "
        "the dashed line excludes any gain that counts."
    )
    if results.looks > 1:
        each = 100 * confidence_per_look(results.looks)
        text += (
            f" Seeds were added while looking at the gaps: intervals of {each:.4g} % hold together "
            f"at 95 % over all {results.looks} looks."
        )
    yield Section(
        name="gaps",
        title=f"Gains of {arm}",
        text=text,
        frame=frame,
        code="from superconv_ray.analysis import compare\n"
        f"compare(trainings, {arm!r}, {baselines}, {results.axes}, {results.value!r}, "
        f"looks={results.looks})",
        chart=charts.gaps(frame, results.all_arms, x, facet or None)
        if fits(frame, facet)
        else None,
    )


def trend(results: StudyResults) -> Iterator[Section]:
    """Change of the gain as labels become scarce."""
    if len(results.arms) < 2 or "data_count" not in results.axes:
        return
    arm, *baselines = results.arms
    yield Section(
        name="trend",
        title="Does the gain grow as labels become scarce?",
        text=(
            "Change of the gap when the labels are cut to a tenth: the slope of each seed's gaps "
            "over the logarithm of the labels, mean and 95 % t interval over seeds."
        ),
        frame=results.trend,
        code="from superconv_ray.analysis import gap_trend\n"
        f"gap_trend(trainings, {arm!r}, {baselines}, by={results.axes_but_labels}, "
        f"value={results.value!r})",
    )


def accuracy(results: StudyResults) -> Iterator[Section]:
    """Accuracy of every arm at every point."""
    frame = arm_summary(results.trainings, results.axes, results.value)
    x = along_x(results, "arm")
    facet = [axis for axis in results.axes if axis != x]
    seeds = sorted(set(frame["n"]))
    counts = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    yield Section(
        name="accuracy",
        title="Accuracy",
        text=(
            f"{results.measured_on.capitalize()} accuracy, mean and 95 % interval over {counts} "
            f"seeds.{_diverged(frame)}{_running_statistics(results.trainings)}"
        ),
        frame=frame,
        code="from superconv_ray.analysis import arm_summary\n"
        f"arm_summary(trainings, {results.axes}, {results.value!r})",
        chart=charts.accuracy(
            frame, results.all_arms, x, facet or None, f"{results.measured_on} accuracy"
        )
        if fits(frame, facet)
        else None,
    )


def _diverged(frame: pd.DataFrame) -> str:
    lost = frame["diverged"].sum()
    runs = counted(int(lost), "training")
    return f" {runs} diverged; their last accuracy counts." if lost else ""


def _running_statistics(trainings: pd.DataFrame) -> str:
    """Whether accuracies reflect stale running averages of batch norm, not generalization."""
    gap = (trainings["accuracy_reestimated"] - trainings["accuracy"]).abs()
    means = gap.groupby(trainings["arm"]).mean().dropna()
    if means.empty:
        return ""
    stale = means[means >= NOTABLE]
    warning = f"Beware of {in_words(map(str, stale.index))}: with" if len(stale) else "With"
    return (
        f" {warning} re-estimated BN statistics accuracies differ by up to "
        f"{100 * means.max():.1f} points, on average over an arm."
    )


def undecided(results: StudyResults) -> Iterator[Section]:
    """Undecided comparisons, and the cost of deciding them."""
    if len(results.arms) < 2:
        return
    arm, *baselines = results.arms
    table = results.comparison
    frame = decision_cost(results.trainings, table, results.axes, results.value)
    if frame.empty:
        return
    hours = frame["hours"].sum()
    known = frame["further_seeds"].notna()
    yield Section(
        name="undecided",
        title="Undecided comparisons",
        text=(
            f"{len(frame)} of {counted(len(table), 'comparison')} are undecided. The further seeds "
            "would decide each with 80 % power if its gap and spread stay as they are. All of them "
            f"would take at most {duration(3600 * hours)} of training on this hardware."
            if known.any()
            else f"{len(frame)} of {counted(len(table), 'comparison')} are undecided. How many "
            "seeds would decide them cannot be estimated."
        ),
        frame=frame,
        code="from superconv_ray.analysis import compare, decision_cost\n"
        f"gaps = compare(trainings, {arm!r}, {baselines}, {results.axes}, {results.value!r}, "
        f"looks={results.looks})\n"
        f"decision_cost(trainings, gaps, {results.axes}, {results.value!r})",
    )


def cost(results: StudyResults) -> Iterator[Section]:
    """Cost of each arm, including the choice of its settings."""
    yield Section(
        name="effort",
        title="Cost of the arms",
        text=(
            "Trials and optimizer steps of every arm. All but trainings chose settings: the "
            "comparison is fair if the arms' efforts are alike."
        ),
        frame=effort(results.trials),
        code="from superconv_ray.analysis import effort\neffort(trials)",
    )
