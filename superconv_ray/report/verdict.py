"""A study's answer in plain words with its numbers, the most important sentence first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from superconv_ray.analysis import arm_summary, optimum
from superconv_ray.analysis.comparison.choices import choice_ids
from superconv_ray.analysis.comparison.trend import FALLS, GROWS
from superconv_ray.analysis.comparison.verdicts import (
    ARM_BETTER,
    BASELINE_BETTER,
    EQUIVALENT,
    UNDECIDED,
)
from superconv_ray.analysis.long_runs import DOES_NOT, FEWER_TIMES, SUPER_CONVERGES
from superconv_ray.design.metrics import ACCURACY
from superconv_ray.design.text import (
    column_name,
    counted,
    in_words,
    interval_text,
    place_text,
    point_text,
)
from superconv_ray.report.axes import balanced_settings, same_seeds
from superconv_ray.report.readable import factor
from superconv_ray.report.study_results import StudyResults

VERDICTS = {
    ARM_BETTER: "better than",
    BASELINE_BETTER: "worse than",
    EQUIVALENT: "equivalent to",
    UNDECIDED: "undecided against",
}
"""What an arm is, by its verdict against a baseline."""
REACHES = {
    SUPER_CONVERGES: "yes against",
    DOES_NOT: "no against",
    UNDECIDED: "undecided against",
}
"""Whether an arm super-converges, by its verdict against a baseline."""
SUPER_CONVERGENCE = {verdict: text.split()[0] for verdict, text in REACHES.items()}
"""The same in one word."""
TRENDS = {GROWS: "grows against", FALLS: "falls against", UNDECIDED: "is undecided against"}
"""What a gain does as labels become scarce."""
NOT_BRACKETED = "not bracketed"
"""Verdict on a range test whose accuracy is highest at one of its ends."""
MOST_POINTS = 6
"""More points than these are counted instead of enumerated."""
MOST_NAMED = 4
"""More baselines than these are counted in the first sentences; a table names them."""


def headline(results: StudyResults) -> str:
    """The answer at a glance, in one or two short sentences.

    A study whose question is super-convergence (see `asks_about_super_convergence`) is answered
    that; one of `balanced_settings` the best of one at each value of the other; any other one,
    below its question, where its first arm gains.
    """
    if results.trainings.empty:
        alone = results.definition.purpose == "lr_find"
        if len(results.range_test_readings) and (alone or not results.open_trials):
            return _recommended(results)
        return "No training has finished yet, so there is no verdict."
    arm, *baselines = results.arms
    if not baselines:
        best = _balance(results) or _best(results)
        if results.all_arms == [arm]:
            return best
        return f"No other arm than {arm} has finished trainings, so there is no comparison. {best}"
    found = f"{arm} is {_points(results.comparison, baselines, VERDICTS)}."
    reached = results.time_to_accuracy
    if reached.empty:
        return f"In {results.measured_on} {results.metric.label}, {found}"
    answer = _points(reached, baselines, REACHES)
    if len(reached) == 1:
        answer += f": {factor('.1f').texts(reached)[0]} times fewer"
    return (
        f"Does {arm} super-converge (at least {FEWER_TIMES:g} times fewer steps)? "
        f"{answer[0].upper()}{answer[1:]}. At equal budgets, {found}"
    )


def names_are_counted(results: StudyResults) -> bool:
    """Whether the headline counts verdicts without naming the baselines of each."""
    if len(results.arms) < 2:
        return False
    _, *baselines = results.arms
    tables = ((results.comparison, VERDICTS), (results.time_to_accuracy, REACHES))
    return any(_named(table, baselines, words) is None for table, words in tables if len(table))


def _points(table: pd.DataFrame, baselines: Sequence[str], words: Mapping[str, str]) -> str:
    """Number of points with each verdict, by baseline if that is short."""
    named = _named(table, baselines, words)
    return verdict_counts(table["verdict"], words, baselines=baselines) if named is None else named


def _named(table: pd.DataFrame, baselines: Sequence[str], words: Mapping[str, str]) -> str | None:
    """Number of points with each verdict, by baseline; None if that is long.

    It is if there are many baselines, or if they differ and one has several verdicts.
    """
    alike: dict[str, list[str]] = {}
    for name in baselines:
        own = table.loc[table["baseline"] == name, "verdict"]
        alike.setdefault(verdict_counts(own, words, "{}"), []).append(name)
    several = table.groupby("baseline")["verdict"].nunique().gt(1).any()
    if len(alike) > 1 and (several or len(baselines) > MOST_NAMED):
        return None
    whole = f"all {len(baselines)} baselines" if len(baselines) > MOST_NAMED else ""
    return "; ".join(found.format(whole or in_words(names)) for found, names in alike.items())


def verdict_counts(
    verdicts: pd.Series[str],
    words: Mapping[str, str],
    name: str = "",
    baselines: Sequence[str] = (),
) -> str:
    """Number of points with each verdict: "better than cosine at 2 of 5 points, undecided at 3".

    Args:
        verdicts: One for each point; or for each comparison, with several baselines.
        words: What to say for each verdict, in this order, with a preposition at its end.
        name: Of the baseline; the preposition is left out without one.
        baselines: If there are several.
    """
    at, noun = ("in", "comparison") if baselines else ("at", "point")
    if len(baselines) == len(verdicts):
        at, noun = "against", "baseline"
    counts = {text: int(verdicts.eq(kind).sum()) for kind, text in words.items()}
    (text, most), *others = [(text, number) for text, number in counts.items() if number]
    first = f"{text} {name}" if name else _alone(text)
    if not others:
        every = "both" if most == 2 else f"all {most:,}"
        return first if most == 1 else f"{first} {at} {every} {noun}s"
    first += f" {at} {most:,} of {counted(len(verdicts), noun)}"
    return in_words([first, *(f"{_alone(text)} {at} {number:,}" for text, number in others)])


def _alone(text: str) -> str:
    """A word without its preposition."""
    return text.rpartition(" ")[0]


def _recommended(results: StudyResults) -> str:
    """What range tests alone recommend."""
    table = results.range_test_readings
    rates, verdicts = table["max_lr"].dropna(), in_words(dict.fromkeys(table["verdict"]))
    if rates.empty:
        return f"The range tests recommend no max_lr ({verdicts})."
    ends = dict.fromkeys(f"{rate:.3g}" for rate in (rates.min(), rates.max()))
    return f"The range tests recommend max_lr {' to '.join(ends)} ({verdicts})."


def verdict_text(row: Mapping[Any, Any]) -> str:
    """The verdict on a row of `compare`, with the name of the better arm."""
    named = {ARM_BETTER: f"{row['arm']} better", BASELINE_BETTER: f"{row['baseline']} better"}
    verdict = str(row["verdict"])
    return named.get(verdict, verdict)


def caveats(results: StudyResults) -> Iterator[str]:
    """What limits the verdict: tests, choices, single seeds, mixed precision, open trials."""
    if len(results.arms) > 1:
        table = results.comparison
        yield from _always_diverged(results)
        if (table["n"] <= 1).all():
            yield "With one seed there are no intervals, so no gap can be told from chance."
        if shared := _sharing_choices(results):
            yield (
                f"All seeds of {in_words(shared)} share one choice of settings at each point. The "
                "noise of these choices is in no interval."
            )
    precisions = sorted(set(results.trainings["precision_used"].dropna()))
    if len(precisions) > 1:
        yield f"Trainings ran in {in_words(precisions)}: arms may differ by precision alone."
    yield from _not_bracketed(results)
    if len(results.trainings) and results.open_trials:
        yield f"Not finished: {counted(results.open_trials, 'trial')}, so the verdict may change."


def _always_diverged(results: StudyResults) -> Iterator[str]:
    """Arms of which no training at a point survived."""
    for arm in results.arms:
        own = results.trainings[results.trainings["arm"] == arm]
        lost = [group["status"].eq("diverged").all() for _, group in own.groupby("cell")]
        if any(lost):
            at = f"{sum(lost)} of {counted(len(lost), 'point')}"
            yield f"All trainings of {arm} diverged at {at}: a gap there is one of stability."


def _not_bracketed(results: StudyResults) -> Iterator[str]:
    """Arms whose max_lr was read at an end of its range tests."""
    table, metric = results.range_tests, results.metric
    most = "highest" if metric.maximize else "lowest"
    points = {cell.cell: point_text(cell.point) for cell in results.definition.cells}
    for arm, rows in table[table["verdict"] == NOT_BRACKETED].groupby("arm", sort=False):
        places = [points[cell] for cell in rows["cell"]]
        of = f"{len(rows)} of {counted(int(table['arm'].eq(arm).sum()), 'point')}"
        where = in_words(places) if all(places) and len(places) <= MOST_POINTS else of
        yield (
            f"max_lr of {arm} is not bracketed at {where}: {metric.label} is {most} at an end "
            "of the range tests. Widen them with from_range_test(low=..., high=...), or take "
            "more steps."
        )


def _sharing_choices(results: StudyResults) -> list[str]:
    """Arms whose settings were chosen once for several seeds."""
    trainings = results.trainings.assign(choice=choice_ids(results.trainings))
    chosen = trainings.dropna(subset="choice")
    shared = set(chosen.loc[chosen.duplicated(["cell", "choice"]), "arm"])
    return [arm for arm in results.arms if arm in shared]


def stale_statistics(results: StudyResults) -> Iterator[str]:
    """Arms whose metric reflects stale running averages of batch norm, not generalization."""
    trainings, metric = results.trainings, results.metric
    running, reestimated = (trainings[name] for name in results.measured)
    means = (reestimated - running).abs().groupby(trainings["arm"]).mean()
    stale = means[means >= results.notable] if len(trainings) else means
    if len(stale):
        what = "accuracies" if metric == ACCURACY else f"{metric.label} values"
        yield (
            f"Beware of {in_words(stale.index)}: with re-estimated BN statistics {what} differ by "
            f"up to {metric.difference(stale.max())}, on average over an arm."
        )


def _best(results: StudyResults) -> str:
    table = arm_summary(results.trainings, results.axes, results.value)
    metric = results.metric
    best = max(table.to_dict("records"), key=lambda row: metric.sign * row["mean"])
    where = f" at {place_text(best, results.axes)}" if results.axes else ""
    rank = f", the best of {counted(len(table), 'point')}" if len(table) > 1 else ""
    unit = f" {'%' if metric.share else metric.unit}".rstrip()
    measured = f"{results.measured_on} {metric.label}"
    reached = f"The {measured} of {best['arm']} is {metric.interval(best)}{unit}"
    return f"{reached}{where}{rank}."


def _balance(results: StudyResults) -> str:
    """The best of one setting at each value of another, if the study is about their balance.

    Empty if it is not, if there are many values, or if some lack seeds.
    """
    settings = balanced_settings(results.axes, results.all_arms)
    if settings is None or not same_seeds(results.trainings, settings):
        return ""
    x, y = settings
    table = optimum(results.trainings, y, [x], results.value)
    if len(table) > MOST_POINTS:
        return ""
    found = [
        f"{interval_text(row['best'], row['low'], row['high'], '.3g')} at {place_text(row, [x])}"
        for row in table.to_dict("records")
    ]
    measured = f"{results.measured_on} {results.metric.label}"
    return f"In {measured}, the best {column_name(y)} of those tried is {in_words(found)}."


def trends(results: StudyResults) -> Iterator[str]:
    """Whether the first arm's gains grow as labels become scarce, if a study asks that.

    The ratio of errors decides where there is one: a gap in points grows as all errors do.
    """
    if len(results.arms) < 2 or "data_count" not in results.axes:
        return
    (arm, *baselines), table = results.arms, results.trend
    answer = table["ratio_verdict"].where(table["ratio"].notna(), table["verdict"])
    decided = answer.isin([GROWS, FALLS])
    if not decided.any():
        yield f"Whether the gain of {arm} grows as labels become scarce is undecided."
    else:
        found = verdict_counts(answer.where(decided, UNDECIDED), TRENDS, baselines=baselines)
        changes = _growth(results, table.to_dict("records")[0]) if len(table) == 1 else ""
        yield f"As labels become scarce, the gain of {arm} {found}.{changes}"
    for kind in (GROWS, FALLS):
        in_units = int((~decided & table["verdict"].eq(kind)).sum())
        if in_units:
            as_errors = ", as gaps do where errors grow" if kind == GROWS else ""
            yield (
                f"In {results.metric.difference_unit} alone, it {kind} in "
                f"{counted(in_units, 'further comparison')}{as_errors}."
            )


def factor_trends(results: StudyResults) -> Iterator[str]:
    """Whether the factor of fewer steps grows as labels become scarce, if a study asks that."""
    table = results.factor_trend
    if table.empty:
        return
    arm, *baselines = results.arms
    if table["verdict"].eq(UNDECIDED).all():
        names = in_words(baselines) if len(baselines) <= MOST_NAMED else "its baselines"
        need = f"{arm} needs ever fewer steps than {names}"
        yield f"Whether {need} as labels become scarce is undecided."
        return
    found = verdict_counts(table["verdict"], TRENDS, baselines=baselines)
    changes = _factor(table.to_dict("records")[0]) if len(table) == 1 else ""
    yield f"As labels become scarce, the factor of fewer steps that {arm} needs {found}.{changes}"


def _factor(row: Mapping[Any, Any]) -> str:
    """By how much a cut of the labels to a tenth multiplies the only factor of fewer steps."""
    bound = {"": "", "<": "at most ", ">": "at least "}[row["censored"]]
    growth = interval_text(row["growth"], row["low"], row["high"], ".2f")
    return f" Each cut of the labels to a tenth multiplies it by {bound}{growth}."


def _growth(results: StudyResults, row: Mapping[Any, Any]) -> str:
    """By how much a cut of the labels to a tenth changes the only gain."""
    metric = results.metric
    gap = f"the gap by {metric.interval(row, '+')} {metric.difference_unit}"
    if pd.notna(row["ratio"]):
        ratio = interval_text(row["ratio"], row["ratio_low"], row["ratio_high"], ".2f")
        gap += f", and the ratio of errors by a factor of {ratio}"
    return f" Each cut of the labels to a tenth changes {gap}."
