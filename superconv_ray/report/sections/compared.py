"""Sections on arms against one another: gaps, accuracies, what is undecided, what arms cost."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from superconv_ray.analysis import arm_summary, confidence_per_look, decision_cost, effort
from superconv_ray.design.text import counted, in_words
from superconv_ray.report import charts
from superconv_ray.report.content import Section
from superconv_ray.report.sections.layout import along_x, fits
from superconv_ray.report.study_results import NOTABLE, StudyResults


def gaps(results: StudyResults) -> Iterator[Section]:
    """What the first arm gains over the others."""
    if len(results.arms) < 2:
        return
    arm, *baselines = results.arms
    frame = results.comparison
    x = along_x(results, "baseline")
    facet = [axis for axis in results.axes if axis != x]
    text = (
        f"{arm} minus each baseline in points of {results.measured_on} accuracy, paired by seed "
        "and subset, with 95 % t intervals. Above the zero line the gain is certain; below the "
        "dashed one there is none that counts."
    )
    if results.looks > 1:
        each = 100 * confidence_per_look(results.looks)
        text += (
            f" Seeds were added while looking: the intervals are of {each:.4g} %, so that all of "
            f"{results.looks} looks hold together at 95 %."
        )
    yield Section(
        name="gaps",
        title=f"What {arm} gains",
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
    """Whether the gain grows as labels become scarce."""
    if len(results.arms) < 2 or "data_count" not in results.axes:
        return
    arm, *baselines = results.arms
    yield Section(
        name="trend",
        title="Does the gain grow as labels become scarce?",
        text=(
            "Points of accuracy by which the gap grows for each tenth of the labels: the slope of "
            "every seed's gaps over the logarithm of the labels, averaged, with a 95 % t interval."
        ),
        frame=results.trend,
        code="from superconv_ray.analysis import gap_trend\n"
        f"gap_trend(trainings, {arm!r}, {baselines}, by={results.axes_but_labels}, "
        f"value={results.value!r})",
    )


def accuracy(results: StudyResults) -> Iterator[Section]:
    """Every arm's accuracy at every point."""
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
    return f" {runs} diverged and count with what they scored." if lost else ""


def _running_statistics(trainings: pd.DataFrame) -> str:
    """Whether BN's running statistics, and not generalisation, are what accuracies show."""
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
    """What is open, and what it would cost to decide it."""
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
        title="What is undecided, and what it would cost to decide it",
        text=(
            f"{len(frame)} of {counted(len(table), 'comparison')} are undecided. The seeds are "
            "those that decide with 80 % power, if the gap and its spread are what they seem now; "
            f"all of them together would take {hours:.2g} h of training on this hardware, at most."
            if known.any()
            else f"{len(frame)} of {counted(len(table), 'comparison')} are undecided, and how many "
            "seeds would decide them cannot be said."
        ),
        frame=frame,
        code="from superconv_ray.analysis import compare, decision_cost\n"
        f"gaps = compare(trainings, {arm!r}, {baselines}, {results.axes}, {results.value!r}, "
        f"looks={results.looks})\n"
        f"decision_cost(trainings, gaps, {results.axes}, {results.value!r})",
    )


def cost(results: StudyResults) -> Iterator[Section]:
    """What each arm cost, the choice of its settings included."""
    yield Section(
        name="effort",
        title="What the arms cost",
        text=(
            "Trials and optimiser steps of every arm. Whatever is not a training chose settings: "
            "arms are compared fairly where these efforts are alike."
        ),
        frame=effort(results.trials),
        code="from superconv_ray.analysis import effort\neffort(trials)",
    )
