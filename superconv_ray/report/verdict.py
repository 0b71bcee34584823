"""A study's answer in plain words with its numbers, the most important sentence first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from superconv_ray.analysis import arm_summary
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
from superconv_ray.design.text import counted, in_words, interval_text, place_text, point_text
from superconv_ray.report.study_results import StudyResults

VERDICTS = {
    ARM_BETTER: "better than",
    BASELINE_BETTER: "worse than",
    EQUIVALENT: "equivalent to",
    UNDECIDED: "undecided against",
}
REACHES = {
    SUPER_CONVERGES: "yes against",
    DOES_NOT: "no against",
    UNDECIDED: "undecided against",
}
NOT_BRACKETED = "not bracketed"
"""Verdict on a range test whose accuracy is highest at one of its ends."""
MOST_POINTS = 6
"""More points than these are counted instead of enumerated."""
MOST_TRENDS = 4
"""More trends than these are counted."""


def headline(results: StudyResults) -> str:
    """The answer in one sentence."""
    if results.trainings.empty:
        alone = results.definition.purpose == "lr_find" and len(results.range_test_readings)
        nothing = "No training has finished yet, so there is no verdict."
        return _recommended(results) if alone else nothing
    arm, *baselines = results.arms
    if not baselines:
        only = f"{arm} is the only arm with finished trainings, so there is no comparison."
        return f"{only} {_best(results)}"
    found = _points(results.comparison, baselines, VERDICTS)
    return " ".join([*super_convergence(results), f"{arm} is {found}."])


def super_convergence(results: StudyResults) -> Iterator[str]:
    """Whether the first arm super-converges, if a study sweeps its budgets."""
    if results.time_to_accuracy.empty:
        return
    arm, *baselines = results.arms
    found = _points(results.time_to_accuracy, baselines, REACHES)
    yield (
        f"Does {arm} super-converge, that is, end where a baseline's longest run does with at "
        f"least {FEWER_TIMES:g} times fewer steps? {found[0].upper()}{found[1:]}. At equal budgets,"
    )


def _points(table: pd.DataFrame, baselines: Sequence[str], words: Mapping[str, str]) -> str:
    """Number of points with each verdict, of all baselines; those with equal ones together."""
    alike: dict[tuple[int, ...], list[str]] = {}
    for name in baselines:
        own = table.loc[table["baseline"] == name, "verdict"]
        alike.setdefault(tuple(int(own.eq(kind).sum()) for kind in words), []).append(name)
    named = {counts: in_words(names) for counts, names in alike.items() if any(counts)}
    return "; ".join(_counts(counts, words, names) for counts, names in named.items())


def _recommended(results: StudyResults) -> str:
    """What range tests alone recommend."""
    table = results.range_test_readings
    rates, verdicts = table["max_lr"].dropna(), in_words(dict.fromkeys(table["verdict"]))
    if rates.empty:
        return f"The range tests recommend no max_lr ({verdicts})."
    ends = dict.fromkeys(f"{rate:.3g}" for rate in (rates.min(), rates.max()))
    return f"The range tests recommend max_lr {' to '.join(ends)} ({verdicts})."


def _counts(counts: tuple[int, ...], words: Mapping[str, str], baselines: str) -> str:
    """Number of points with each verdict: "better than b at 2 of 5 points and undecided at 3"."""
    total = sum(counts)
    kinds = [(kind, n) for kind, n in zip(words.values(), counts, strict=True) if n]
    (first, most), *others = kinds
    if not others:
        return f"{first} {baselines}" + (f" at all {total} points" if total > 1 else "")
    rest = (f"{kind.rpartition(' ')[0]} at {n}" for kind, n in others)
    return in_words([f"{first} {baselines} at {most} of {counted(total, 'point')}", *rest])


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


def details(results: StudyResults) -> Iterator[str]:
    """Which arm is better where, and by how much."""
    if len(results.arms) < 2:
        return
    arm, *baselines = results.arms
    table = results.comparison
    for baseline in baselines:
        rows = table[table["baseline"] == baseline]
        yield f"{arm} is {in_words(_tally(rows, baseline, results))}."
    yield _explanation(results)


def _explanation(results: StudyResults) -> str:
    """What gaps are, and what verdicts mean."""
    arm, metric = results.arms[0], results.metric
    less = "" if metric.maximize else f", {metric.gap(arm, 'baseline')}: less is better"
    return (
        f"Gaps are in {metric.differences_on(results.measured_on)}{less}. Arms are equivalent "
        f"where the gap's interval lies within ±{metric.factor * results.margin:.3g}, the smallest "
        "gap that counts; else one is better where it leaves 0 out. All intervals hold together at "
        "95 %."
    )


def _best(results: StudyResults) -> str:
    table = arm_summary(results.trainings, results.axes, results.value)
    metric = results.metric
    best = max(table.to_dict("records"), key=lambda row: metric.sign * row["mean"])
    where = f" at {place_text(best, results.axes)}" if results.axes else ""
    rank = f", the best of {counted(len(table), 'point')}" if len(table) > 1 else ""
    unit = f" {'%' if metric.share else metric.unit}".rstrip()
    measured = f"{results.measured_on} {metric.label}"
    return f"Its {measured} is {metric.interval(best)}{unit}{where}{rank}."


def _tally(rows: pd.DataFrame, baseline: str, results: StudyResults) -> Iterator[str]:
    """Where each verdict holds, with its gaps."""
    metric = results.metric
    for kind, words in VERDICTS.items():
        found = rows[rows["verdict"] == kind]
        if found.empty:
            continue
        if len(found) > MOST_POINTS:
            ends = [metric.factor * gap for gap in (found["mean"].min(), found["mean"].max())]
            least, most = (f"{gap:+{metric.form(*ends)}}" for gap in ends)
            where = f"at {len(found)} of {len(rows)} points ({least} to {most})"
        else:
            where = in_words(_numbers(row, results) for row in found.to_dict("records"))
        yield f"{words} {baseline} {where}"


def _numbers(row: Mapping[Any, Any], results: StudyResults) -> str:
    gap = f"({results.metric.interval(row, '+')})"
    return f"at {place_text(row, results.axes)} {gap}" if results.axes else gap


def trends(results: StudyResults) -> Iterator[str]:
    """Whether the first arm's gains grow as labels become scarce, if a study asks that.

    The ratio of errors decides where there is one: a gap in points grows as all errors do.
    """
    if len(results.arms) < 2 or "data_count" not in results.axes:
        return
    arm, table = results.arms[0], results.trend
    answer = table["ratio_verdict"].where(table["ratio"].notna(), table["verdict"])
    for kind in (GROWS, FALLS):
        if found := [_growth(results, row) for row in table[answer == kind].to_dict("records")]:
            yield (
                f"The gain of {arm} {kind} as labels become scarce. Each cut of the labels to a "
                f"tenth changes {in_words(_few(found))}."
            )
    undecided = table[~answer.isin([GROWS, FALLS])]
    for kind in (GROWS, FALLS):
        in_units = undecided[undecided["verdict"] == kind].to_dict("records")
        if found := [_growth(results, row) for row in in_units]:
            as_errors = ", as gaps do where errors grow" if kind == GROWS else ""
            yield (
                f"In {results.metric.difference_unit}, the gain of {arm} {kind} as labels become "
                f"scarce{as_errors}; whether the ratio of errors does is undecided. Each cut of "
                f"the labels to a tenth changes {in_words(_few(found))}."
            )
    unknown = undecided[~undecided["verdict"].isin([GROWS, FALLS])]
    if len(unknown):
        names = in_words(dict.fromkeys(unknown["baseline"]))
        yield f"Whether its gain over {names} grows as labels become scarce is undecided."


def factor_trends(results: StudyResults) -> Iterator[str]:
    """Whether the factor of fewer steps grows as labels become scarce, if a study asks that."""
    table = results.factor_trend
    if table.empty:
        return
    arm = results.arms[0]
    for kind in (GROWS, FALLS):
        if found := [
            _factor(results, row) for row in table[table["verdict"] == kind].to_dict("records")
        ]:
            yield (
                f"The number of times fewer steps that {arm} needs {kind} as labels become scarce. "
                f"Each cut of the labels to a tenth multiplies it {in_words(_few(found))}."
            )
    unknown = table[table["verdict"] == UNDECIDED]
    if len(unknown):
        names = in_words(dict.fromkeys(unknown["baseline"]))
        yield (
            f"Whether {arm} needs ever fewer steps than {names} as labels become scarce cannot be "
            "told."
        )


def _factor(results: StudyResults, row: Mapping[Any, Any]) -> str:
    """By how much a cut of the labels to a tenth multiplies the factor of fewer steps."""
    bound = {"": "", "<": "at most ", ">": "at least "}[row["censored"]]
    others = [axis for axis in results.axes_but_budget if axis != "data_count"]
    where = f" at {place_text(row, others)}" if others else ""
    growth = interval_text(row["growth"], row["low"], row["high"], ".2f")
    return f"against {row['baseline']}{where} by {bound}{growth}"


def _growth(results: StudyResults, row: Mapping[Any, Any]) -> str:
    """By how much a cut of the labels to a tenth changes a gain."""
    metric, others = results.metric, results.axes_but_labels
    where = f" at {place_text(row, others)}" if others else ""
    gap = f"the gap to {row['baseline']}{where} by {metric.interval(row, '+')}"
    if pd.isna(row["ratio"]):
        return f"{gap} {metric.difference_unit}"
    ratio = interval_text(row["ratio"], row["ratio_low"], row["ratio_high"], ".2f")
    return f"{gap} {metric.difference_unit} and the ratio of errors by a factor of {ratio}"


def _few(texts: Sequence[str]) -> list[str]:
    """The first texts, and how many more there are."""
    more = len(texts) - MOST_TRENDS
    return [*texts[:MOST_TRENDS], *([f"{more} more"] if more > 0 else [])]
