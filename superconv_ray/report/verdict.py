"""A study's answer in plain words, with its numbers: sentences, the most important first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from superconv_ray.analysis import arm_summary
from superconv_ray.analysis.comparison.trend import FALLS, GROWS
from superconv_ray.analysis.comparison.verdicts import DOES_NOT, MARGIN, SUPER_CONVERGES, UNDECIDED
from superconv_ray.analysis.statistics.intervals import CONFIDENCE
from superconv_ray.design.text import counted, in_words, percent_interval, setting_text
from superconv_ray.report.study_results import StudyResults

VERDICTS = {SUPER_CONVERGES: "beats {}", DOES_NOT: "does not beat {}", UNDECIDED: "is undecided"}
MOST_POINTS = 6
"""More points than these are counted instead of enumerated."""


def verdict(results: StudyResults) -> tuple[str, ...]:
    """The answer: which arm is better where, whether gains grow with fewer labels, and caveats."""
    if results.trainings.empty:
        return ("No training is finished yet, so nothing can be said.",)
    if len(results.arms) == 1:
        return tuple(_of_one_arm(results))
    return tuple(_of_arms(results))


def place(row: Mapping[Any, Any], axes: Sequence[str]) -> str:
    """Which point a row is of: "300 labels, dropout 0.1", or that there is only one."""
    parts = [setting_text(axis, row[axis]) for axis in axes]
    return ", ".join(parts) or "the one point of the study"


def _of_one_arm(results: StudyResults) -> Iterator[str]:
    (arm,) = results.arms
    yield f"{arm} is the only arm with finished trainings, so nothing is compared."
    table = arm_summary(results.trainings, results.axes, results.value)
    best = max(table.to_dict("records"), key=lambda row: row["mean"])
    where = f" at {place(best, results.axes)}" if results.axes else ""
    yield (
        f"Its {results.measured_on} accuracy is {percent_interval(best)} %{where}"
        + (f", the best of {counted(len(table), 'point')}." if len(table) > 1 else ".")
    )


def _of_arms(results: StudyResults) -> Iterator[str]:
    arm, *baselines = results.arms
    table = results.comparison
    yield _headline(table, arm, baselines)
    for baseline in baselines:
        rows = table[table["baseline"] == baseline]
        said = in_words(_tally(rows, baseline, results.axes))
        yield f"{arm} {said}."
    yield (
        f"(Gaps in points of {results.measured_on} accuracy. To beat: the gap's interval lies "
        f"above 0. Not to: below +{100 * MARGIN:g}, the smallest gain that counts.)"
    )
    if "data_count" in results.axes:
        yield from _trends(results)
    yield from _caveats(table, results)


def _headline(table: pd.DataFrame, arm: str, baselines: Sequence[str]) -> str:
    beaten = table["verdict"] == SUPER_CONVERGES
    counts = [
        f"{name} at {beaten[own].sum() or 'none'} of {counted(int(own.sum()), 'point')}"
        for name in baselines
        for own in [table["baseline"] == name]
    ]
    return f"{arm} beats {in_words(counts)}."


def _tally(rows: pd.DataFrame, baseline: str, axes: Sequence[str]) -> Iterator[str]:
    """Where each verdict holds, with the numbers that say so."""
    for kind, words in VERDICTS.items():
        found = rows[rows["verdict"] == kind]
        if found.empty:
            continue
        if len(found) > MOST_POINTS:
            gap = 100 * found["mean"]
            where = f"at {len(found)} of {len(rows)} points ({gap.min():+.1f} to {gap.max():+.1f})"
        else:
            where = in_words(_numbers(row, axes) for row in found.to_dict("records"))
        yield f"{words.format(baseline)} {where}"


def _numbers(row: Mapping[Any, Any], axes: Sequence[str]) -> str:
    gap = f"({percent_interval(row, '+')})"
    return f"at {place(row, axes)} {gap}" if axes else gap


def _trends(results: StudyResults) -> Iterator[str]:
    others, table = results.axes_but_labels, results.trend
    for kind, words in ((GROWS, "grows"), (FALLS, "falls")):
        found = [
            f"{row['baseline']}{f' at {place(row, others)}' if others else ''} by "
            f"{percent_interval(row, '+')}"
            for row in table[table["verdict"] == kind].to_dict("records")
        ]
        if found:
            yield (
                f"Its gain {words} as labels become scarce: for each tenth of them it changes "
                f"over {in_words(found)} points."
            )
    undecided = table[~table["verdict"].isin([GROWS, FALLS])]
    if len(undecided):
        names = in_words(dict.fromkeys(undecided["baseline"]))
        yield f"Whether its gain over {names} grows as labels become scarce is undecided."


def _caveats(table: pd.DataFrame, results: StudyResults) -> Iterator[str]:
    better = table[table["verdict"] == SUPER_CONVERGES]
    holding = (better["p_holm"] <= 1 - CONFIDENCE).sum()
    if len(better) > holding:
        yield (
            f"Each point is judged by itself: of the {counted(len(better), 'gain')}, {holding} "
            f"remain once p is corrected for all {len(table)} comparisons."
        )
    if (table["n"] <= 1).all():
        yield "With one seed there are no intervals: nothing can be told from chance."
    precisions = sorted(set(results.trainings["precision_used"].dropna()))
    if len(precisions) > 1:
        yield f"Trainings ran in {in_words(precisions)}: arms may differ by precision alone."
    if results.open_trials:
        open_ones = counted(results.open_trials, "trial")
        yield f"Not done yet: {open_ones} of the study, so this may change."
