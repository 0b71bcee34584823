"""Which reading of a range test gets within half a point of the best max_lr?

    python -m benchmarks.calibration [--minutes 60] [--store DIR] [--save]

For each case of `benchmarks.calibrating.cases` (a data set, a model, a number of labels, a batch
size, a length and an optimizer) 1cycle is trained in full over a grid of max_lr, measured on test
labels and, with other seeds, on held-out labels. Range tests of several sweeps are run, each with
three seeds. Then every rule's rate costs the test accuracy of the best max_lr minus its own.

A default is chosen from all rules. To see what such a choice is worth, it is repeated without each
of the data sets in turn, and measured on the one that was left out.

Everything is kept in the store, so that an interrupted or enlarged calibration trains only what is
missing. MNIST-1D needs ``pip install mnist1d``; Fashion-MNIST needs its files, in the folder that
the environment variable SUPERCONV_DATA_DIR names.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.calibrating.cases import (
    CASES,
    DEFAULT_SWEEP,
    SWEEPS,
    Case,
    by_steps,
    narrow_sweeps,
)
from benchmarks.calibrating.costs import (
    ALL_SWEEPS,
    FACTORS,
    GOOD,
    Measured,
    Rule,
    confirmed_rules,
    measured_cases,
    read_rules,
)
from benchmarks.recording import add_save_flag, save
from superconv_ray import Study, open_store
from superconv_ray.analysis.statistics.intervals import mean_interval
from superconv_ray.design.text import counted, text_table

HEADINGS = ("sweep: max_lr", "cost [95 %]", "within 0.5", "worst")
SHOWN = ("plateau_middle", "accuracy_peak")
"""Readings that the table has for every sweep."""


class Cost(NamedTuple):
    """What a rule costs, in points of test accuracy.

    Attributes:
        mean: Mean over data sets of the mean of their cases.
        low: Lower end of its 95 % t interval over data sets.
        high: Upper end.
        good: Share of cases within `GOOD` points of the best rate.
        worst: Largest cost of a case.
    """

    mean: float
    low: float
    high: float
    good: float
    worst: float


def run_case(case: Case, store: Path) -> None:
    """Run what the store does not have of a case."""

    def run(study: Study) -> None:
        study.run(store, local=True, progress=False, replace=True)  # of other defaults

    for sweeps in by_steps(SWEEPS):
        run(case.study("sweeps", sweeps))
    for sweeps in by_steps(narrow_sweeps(case.first_peak(open_store(store)))):
        run(case.study("narrow", sweeps))
    run(case.study("held_out"))
    run(case.study("test"))


def by_dataset(cases: Iterable[Measured], rule: Rule) -> dict[str, list[float]]:
    """Costs of a rule by data set."""
    costs: dict[str, list[float]] = {}
    for case in cases:
        costs.setdefault(case.dataset, []).append(case.cost(rule))
    return costs


def mean_cost(cases: Iterable[Measured], rule: Rule) -> float:
    """Mean over data sets of the mean cost of their cases."""
    return float(np.mean([np.mean(own) for own in by_dataset(cases, rule).values()]))


def cost_of(cases: Iterable[Measured], rule: Rule) -> Cost:
    """What a rule costs."""
    own = by_dataset(cases, rule)
    every = np.concatenate(list(own.values()))
    return _cost([float(np.mean(costs)) for costs in own.values()], every)


def _cost(means: Sequence[float], every: Sequence[float] | np.ndarray) -> Cost:
    interval = mean_interval(means)
    return Cost(
        *(interval.mean, interval.low, interval.high),
        good=float(np.mean(np.asarray(every) <= GOOD)),
        worst=float(np.max(every)),
    )


def left_out(cases: Sequence[Measured], rules: Sequence[Rule]) -> tuple[Cost, list[str]]:
    """Cost of choosing the best of some rules, on data sets that had no part in the choice.

    Returns:
        The cost, and a line on each data set: what the others choose, and its cost there.
    """
    means: list[float] = []
    every: list[float] = []
    lines = []
    for dataset in dict.fromkeys(case.dataset for case in cases):
        others = [case for case in cases if case.dataset != dataset]
        chosen = min(rules, key=lambda rule: mean_cost(others, rule))
        own = [case.cost(chosen) for case in cases if case.dataset == dataset]
        means.append(float(np.mean(own)))
        every += own
        lines.append(f"{dataset}: {chosen.sweep}: {chosen}: {means[-1]:+.1f}")
    return _cost(means, every), lines


def rows(cases: Sequence[Measured], rules: Iterable[Rule]) -> Iterator[list[str]]:
    """Rows under `HEADINGS`, grouped by sweep."""
    groups: dict[str, list[Rule]] = {}
    for rule in dict.fromkeys(rules):
        groups.setdefault(rule.sweep, []).append(rule)
    for sweep, own in groups.items():
        yield [sweep, "", "", ""]
        for rule in own:
            found = cost_of(cases, rule)
            yield [f"  {rule}", _interval(found), f"{100 * found.good:.0f} %", f"{found.worst:.1f}"]


def _interval(found: Cost) -> str:
    return f"{found.mean:.1f} [{found.low:.1f}, {found.high:.1f}]"


def shown_rules() -> Iterator[Rule]:
    """The rules of the table: two readings of each sweep, and all rules of the default one."""
    for rule in read_rules():
        if rule.factor == 1 and (rule.sweep == DEFAULT_SWEEP or rule.reading in SHOWN):
            yield rule
    yield from (Rule(DEFAULT_SWEEP, SHOWN[0], factor) for factor in FACTORS)
    yield from confirmed_rules()


def report(cases: Sequence[Measured]) -> str:
    """The calibration's result as text."""
    datasets = dict.fromkeys(case.dataset for case in cases)
    plain = [Rule(sweep, reading) for sweep in ALL_SWEEPS for reading in SHOWN]
    families = {
        "the plateau's middle or the peak, of any sweep": plain,
        "any reading of the default sweep, times any factor": [
            rule for rule in read_rules() if rule.sweep == DEFAULT_SWEEP
        ],
        "any reading of any sweep, times any factor": list(read_rules()),
        "any confirmation": list(confirmed_rules()),
    }
    lines = [
        f"{counted(len(cases), 'case')} of {counted(len(datasets), 'data set')}:",
        *(f"  {case.name}" for case in cases),
        "",
        text_table(HEADINGS, list(rows(cases, shown_rules()))),
        "",
        "Chosen without the data set that it is measured on, the best of",
    ]
    for title, rules in families.items():
        found, chosen = left_out(cases, rules)
        lines.append(f"- {title}, costs {_interval(found)}; within 0.5 in {100 * found.good:.0f} %")
        lines += [f"    {line}" for line in chosen]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="begin no case after that")
    parser.add_argument("--store", type=Path, default=Path("results"))
    add_save_flag(parser)
    arguments = parser.parse_args()
    end = time.monotonic() + 60 * arguments.minutes
    for case in CASES:
        if time.monotonic() < end:
            print(case.name, flush=True)
            run_case(case, arguments.store)
    output = report(measured_cases(open_store(arguments.store)))
    print(output)
    if arguments.save:
        save("calibration", [], output)


if __name__ == "__main__":
    main()
