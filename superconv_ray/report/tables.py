"""A study's results as tables: accuracies, gaps and effort, for a terminal and for papers.

`table_formats` writes them as text, LaTeX or Markdown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from superconv_ray.analysis import arm_summary, effort
from superconv_ray.analysis.comparison.verdicts import EQUIVALENT, MARGIN, UNDECIDED
from superconv_ray.analysis.long_runs import FEWER_TIMES
from superconv_ray.design.metrics import ACCURACY, Metric
from superconv_ray.design.text import (
    column_name,
    in_words,
    place_text,
    probability,
    value_text,
)
from superconv_ray.report.readable import over_words, reaching, shown_columns
from superconv_ray.report.study_results import StudyResults
from superconv_ray.report.verdict import (
    REACHES,
    SUPER_CONVERGENCE,
    VERDICTS,
    names_are_counted,
    verdict_counts,
    verdict_text,
)


def verdict_note(metric: Metric, margin: float) -> str:
    """What the verdicts of `gap_table` mean."""
    return (
        f"Verdict, from the gap's interval: {EQUIVALENT} if it lies within "
        f"±{metric.factor * margin:.3g}, else the better arm if it leaves 0 out, else {UNDECIDED}. "
        "p: paired t test, adjusted for all rows. More: further seeds that would decide it with "
        "probability 80 %, on average over the gaps that its pairs leave plausible."
    )


DIVERGED = {
    "accuracy": "the {} they reached",
    "metric": "the {} of outputs that are all zero",
}
"""What diverged trainings count with, by the ending of the metric's columns."""


@dataclass(frozen=True)
class Table:
    """A table before it is written in a format; its text is not escaped yet.

    Attributes:
        name: Of its file and its label: lower-case letters, digits and underscores.
        caption: What it shows, in which units.
        headings: Of its columns.
        rows: As many cells as headings each.
        notes: What a reader must know, a sentence each.
        keys: Number of leading columns that tell rows apart.
    """

    name: str
    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    keys: int = 1


def study_tables(results: StudyResults) -> Iterator[Table]:
    """What the arms reached and cost, at the points in the sweep's order.

    Verdicts by baseline where the headline counts baselines, steps to the end of long runs if
    budgets are swept, accuracies, gaps if arms are compared, and effort.

    Args:
        results: Of a study with a finished training.
    """
    if (verdicts := verdict_table(results)) is not None:
        yield verdicts
    if not results.time_to_accuracy.empty:
        yield reach_table(results)
    by = results.point_columns
    trainings = results.trainings
    summary = arm_summary(trainings, ["point", *by], results.value)
    table = accuracy_table(summary, by, results.arms, results.measured_on, results.metric)
    stale = tuple(_stale_statistics(results, by))
    yield replace(table, notes=(*table.notes, *stale))
    if len(results.arms) > 1:
        gaps = results.comparison_by_point
        yield gap_table(
            gaps, by, results.level, results.metric, results.margin, looks_note(results.looks)
        )
    yield effort_table(effort(results.trials), results.all_arms)


def verdict_table(results: StudyResults) -> Table | None:
    """Number of points with each verdict, a row for each baseline; None if the headline has it."""
    if not names_are_counted(results):
        return None
    arm, *baselines = results.arms
    kinds = [
        (heading, table.groupby("baseline", sort=False)["verdict"], words)
        for heading, table, words in (
            ("super-converges", results.time_to_accuracy, REACHES),
            ("at equal budgets", results.comparison, VERDICTS),
        )
        if not table.empty
    ]
    return Table(
        name="verdicts",
        caption=f"Verdicts on {arm} against each baseline, with the number of points.",
        headings=("baseline", *(heading for heading, *_ in kinds)),
        rows=tuple(
            (name, *(verdict_counts(own.get_group(name), words) for _, own, words in kinds))
            for name in baselines
        ),
    )


def reach_table(results: StudyResults) -> Table:
    """Steps of the first arm to the end of long runs: a row for each point and baseline.

    Args:
        results: Of a study with `StudyResults.time_to_accuracy`.
    """
    arm, metric, by = results.arms[0], results.metric, results.axes_but_budget
    quantities = reaching(metric, arm)
    columns = [name for one in quantities for name in (one.columns[0], *one.merged)]
    frame = results.time_to_accuracy[[*by, "baseline", *columns, "verdict"]]
    shown = list(shown_columns(frame, quantities, {"verdict": SUPER_CONVERGENCE}))
    return Table(
        name="super_convergence",
        caption=(
            f"Steps after which {arm} has the final {results.measured_on} {metric.label} of each "
            "baseline's longest run. Factor: how many times fewer they are [95 % interval, all "
            "rows together]."
        ),
        headings=(*(one.heading for one in shown[:-1]), "super-converges"),
        rows=tuple(zip(*(one.cells(frame) for one in shown), strict=True)),
        notes=(
            (
                f"It super-converges if the factor's interval begins at {FEWER_TIMES:g} or above; "
                "it does not if it ends below; else it is undecided."
            ),
            *_notes(results.time_to_accuracy, by),
        ),
        keys=len(by) + 1,
    )


def accuracy_table(
    summary: pd.DataFrame,
    by: Sequence[str],
    arms: Sequence[str],
    measured_on: str = "test",
    metric: Metric = ACCURACY,
) -> Table:
    """Every arm's accuracy, or other metric: a row for each point, a column for each arm.

    Args:
        summary: From `arm_summary` of the metric.
        by: The columns that tell points apart.
        arms: Arms in the order of their columns.
        measured_on: Which labels it was measured on.
        metric: What was measured.
    """
    rows = []
    for settings, group in _points(summary, by):
        own = {row["arm"]: metric.interval(row) + _diverged(row["diverged"]) for row in group}
        seeds = sorted({row["n"] for row in group})
        rows.append((*settings, value_text(seeds), *(own.get(arm, "-") for arm in arms)))
    diverged = [f"Diverged trainings count with {DIVERGED[metric.suffix].format(metric.label)}."]
    return Table(
        name=metric.suffix,
        caption=(
            f"{measured_on.capitalize()} {metric.worded}, mean [95 % interval over "
            f"{over_words(summary)}]."
        ),
        headings=(*map(column_name, by), "seeds", *arms),
        rows=tuple(rows),
        notes=tuple(diverged if summary["diverged"].any() else []),
        keys=len(by) + 1,
    )


def _diverged(count: int) -> str:
    return f" ({count} diverged)" if count else ""


def gap_table(
    comparison: pd.DataFrame,
    by: Sequence[str],
    level: float,
    metric: Metric = ACCURACY,
    margin: float = MARGIN,
    notes: Iterable[str] = (),
) -> Table:
    """An arm's paired gaps to its baselines: a row for each point and baseline.

    Args:
        comparison: From `compare`.
        by: The columns that tell points apart.
        level: Two-sided level of its intervals.
        metric: What was measured.
        margin: As given to `compare`.
        notes: On the whole table.
    """
    gap = metric.gap(comparison["arm"].iloc[0], "baseline")
    rows = [
        (
            *settings,
            str(row["baseline"]),
            metric.interval(row, "+"),
            probability(row["p_adjusted"]),
            verdict_text(row),
            str(row["n"]),
            "" if pd.isna(row["further_seeds"]) else f"{row['further_seeds']:,}",
        )
        for settings, group in _points(comparison, by)
        for row in group
    ]
    return Table(
        name="gaps",
        caption=(
            f"Gap: {gap} in {metric.differences}, paired by seed and subset, mean "
            f"[{100 * (1 - level):.5g} % t interval]."
        ),
        headings=(*map(column_name, by), "baseline", "gap", "p", "verdict", "pairs", "more"),
        rows=tuple(rows),
        notes=(verdict_note(metric, margin), *notes, *_notes(comparison, by)),
        keys=len(by) + 1,
    )


def looks_note(looks: Sequence[int]) -> Iterator[str]:
    """What several looks at the gaps mean for their intervals."""
    if looks:
        yield (
            f"Seeds were added while looking at the gaps: the intervals hold together at 95 % at "
            f"all {len(looks)} looks, with {in_words(map(str, looks))} pairs."
        )


def effort_table(spent: pd.DataFrame, arms: Sequence[str]) -> Table:
    """Cost of every arm, tuning included: a row for each arm, a column for each role of trials.

    Args:
        spent: From `effort`.
        arms: Arms in the order of their rows; those without a trial too.
    """
    cost = {
        (row["arm"], row["role"]): f"{row['steps']:,} ({row['trials']:,})"
        for row in spent.to_dict("records")
    }
    roles = sorted({role for _, role in cost}, key=lambda role: (role != "training", role))
    return Table(
        name="effort",
        caption=(
            "Effort: optimizer steps (and trials) of every arm. All but trainings chose settings."
        ),
        headings=("arm", *map(column_name, roles)),
        rows=tuple((arm, *(cost.get((arm, role), "-") for role in roles)) for arm in arms),
    )


def _points(
    frame: pd.DataFrame, by: Sequence[str]
) -> Iterator[tuple[tuple[str, ...], list[dict[Any, Any]]]]:
    """Each point's settings as text, and its rows, in the frame's order."""
    groups: dict[tuple[str, ...], list[dict[Any, Any]]] = {}
    for row in frame.to_dict("records"):
        groups.setdefault(tuple(value_text(row[name]) for name in by), []).append(row)
    yield from groups.items()


def _notes(comparison: pd.DataFrame, by: Sequence[str]) -> Iterator[str]:
    """Each different note once, with the rows that it is about."""
    several = comparison["baseline"].nunique() > 1
    notes = comparison["note"].str.split("; ").explode()
    for text in notes[notes.ne("")].unique():
        about = comparison.loc[notes.index[notes.eq(text)]]
        yield f"{text} ({'; '.join(_rows(about, comparison, by, several=several))})."


def _rows(
    about: pd.DataFrame, whole: pd.DataFrame, by: Sequence[str], *, several: bool
) -> Iterator[str]:
    """Rows of a comparison in words; those of a baseline together where they are all of its own."""
    if len(about) == len(whole):
        yield "all rows"
        return
    for baseline, own in about.groupby("baseline", sort=False):
        against = f"against {baseline}" if several else ""
        if 1 < len(own) == whole["baseline"].eq(baseline).sum():
            yield f"all rows {against}"
        else:
            yield from (
                f"{place_text(row, by)} {against}".strip() for row in own.to_dict("records")
            )


def _stale_statistics(results: StudyResults, by: Sequence[str]) -> Iterator[str]:
    """Where a metric reflects stale running averages of batch norm, not generalization."""
    running, reestimated = kinds = list(results.measured)
    measured = results.trainings.dropna(subset=kinds)
    means = measured.groupby(["point", *by, "arm"], dropna=False)[kinds].mean().reset_index()
    for row in means.to_dict("records"):
        if abs(row[reestimated] - row[running]) >= results.notable:
            text = results.metric.text
            yield (
                f"With re-estimated BN statistics, {row['arm']} has {text(row[reestimated])} "
                f"instead of {text(row[running])} ({place_text(row, by)})."
            )
