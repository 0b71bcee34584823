"""What the rates that rules read cost, in points of test accuracy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.calibrating.cases import (
    CASES,
    CHOOSING_SEEDS,
    DEFAULT_SWEEP,
    RATES,
    SEEDS,
    SWEEPS,
    Case,
    narrow_sweeps,
)
from superconv_ray.analysis import join_range_tests, range_test_table, suggestions
from superconv_ray.analysis.range_tests.tables import RULES
from superconv_ray.analysis.statistics.intervals import Floats
from superconv_ray.design.text import counted
from superconv_ray.storage.store import Store

GOOD = 0.5
"""A rate is good if it costs at most so many points."""
FACTORS = (0.25, 1 / 3, 0.5, 1.0, 2.0, 3.0)
ALL_SWEEPS = (*SWEEPS, *narrow_sweeps(1.0))
"""Names of all sweeps."""
CONFIRMED = ((1 / 3, 1.0, 3.0), (1.0, 3.0), (0.5, 1.0, 2.0), (1 / 3, 1.0, 3.0, 9.0))
"""Multiples of what is read that a confirmation tries."""
PLATEAU = ("plateau_low", "plateau_high")
"""Ends of the plateau, as further readings."""
READINGS = (*(rule for rule in RULES if rule != "accuracy_rises"), *PLATEAU)
"""All readings that set a max_lr."""


@dataclass(frozen=True, order=True)
class Rule:
    """How a max_lr is found: a reading of a sweep times a factor, and perhaps a confirmation.

    Attributes:
        sweep: Name of the range test.
        reading: What is read off it, as in `suggestions`.
        factor: By what it is multiplied.
        confirm: Multiples of the rate to train with; the best on held-out labels is taken.
        seeds: Trainings of each of these.
    """

    sweep: str
    reading: str
    factor: float = 1.0
    confirm: tuple[float, ...] = ()
    seeds: int = 0

    def __str__(self) -> str:
        rate = self.reading.replace("_", " ")
        if self.factor != 1:
            rate = f"{_fraction(self.factor)} {rate}"
        if not self.confirm:
            return rate
        factors = ", ".join(map(_fraction, self.confirm))
        return f"{rate} x {factors}, {counted(self.seeds, 'seed')}"


def _fraction(factor: float) -> str:
    return f"{factor:g}" if factor >= 1 else f"1/{1 / factor:g}"


@dataclass(frozen=True, eq=False)
class Measured:
    """Everything that was measured in a case.

    Attributes:
        case: The case.
        test: Test accuracies of the trainings in %, [seeds, rates].
        held_out: Their accuracies on held-out labels with other seeds in %, [seeds, rates].
        read: Rate by sweep and reading; NaN if there is none.
    """

    case: Case
    test: Floats
    held_out: Floats
    read: Mapping[tuple[str, str], float]

    @property
    def name(self) -> str:
        """Name of the case."""
        return self.case.name

    @property
    def dataset(self) -> str:
        """Name of its data set."""
        return self.case.dataset

    @cached_property
    def rates(self) -> Floats:
        """The trained rates, ascending."""
        return np.array(RATES[self.case.optimizer])

    @cached_property
    def best(self) -> float:
        """Accuracy of the best rate: chosen by all seeds but one, measured by that one.

        The best mean of all seeds would be too high by luck. It is chosen by means that are
        smoothed over neighboring rates, which finds the middle of a flat top.
        """
        own = []
        for seed, accuracies in enumerate(self.test):
            others = np.pad(np.delete(self.test, seed, axis=0).mean(axis=0), 1, mode="edge")
            own.append(accuracies[np.convolve(others, (0.25, 0.5, 0.25), "valid").argmax()])
        return float(np.mean(own))

    def rate(self, rule: Rule) -> float:
        """The rate that a rule finds, within those that were trained."""
        read = self.read[rule.sweep, rule.reading] * rule.factor
        rate = float(np.clip(np.nan_to_num(read), self.rates[0], self.rates[-1]))
        if not rule.confirm:
            return rate
        near = [int(np.abs(np.log(self.rates / (rate * f))).argmin()) for f in rule.confirm]
        scores = self.held_out[: rule.seeds].mean(axis=0)
        return float(self.rates[max(near, key=lambda place: scores[place])])

    def cost(self, rule: Rule) -> float:
        """Test accuracy of the best rate minus that of the rule's, in points."""
        logs = np.log(self.rates)
        return self.best - float(np.interp(np.log(self.rate(rule)), logs, self.test.mean(axis=0)))


def measured(store: Store, case: Case) -> Measured:
    """What a store has of a case, which must be complete."""
    read: dict[tuple[str, str], float] = {}
    for study in case.names_of_tests():
        tests = join_range_tests(store.trials(study), store.curves(study))
        for row in suggestions(tests, ["arm"]).to_dict("records"):
            read[row["arm"], row["rule"]] = row["lr"]
        for row in range_test_table(tests, ["arm"]).to_dict("records"):
            read |= {(row["arm"], end): row[end] for end in PLATEAU}
    return Measured(
        case,
        _accuracies(store, case.study("test").name, "test_accuracy"),
        _accuracies(store, case.study("held_out").name, "validation_accuracy"),
        read,
    )


def _accuracies(store: Store, study: str, value: str) -> Floats:
    """Accuracies in %, [seeds, rates]; 0 for a training that measured none."""
    trials = store.trials(study, columns=["max_lr", "seed", value]).fillna({value: 0.0})
    table = trials.pivot_table(index="seed", columns="max_lr", values=value)
    return 100 * table.to_numpy(np.float64)


def measured_cases(store: Store) -> list[Measured]:
    """All cases whose trainings and tests the store has."""
    known = set(store.studies())
    complete = []
    for case in CASES:
        last = case.study("test").name
        trainings = SEEDS * len(RATES[case.optimizer])
        if last in known and len(store.trials(last, columns=["max_lr"])) == trainings:
            complete.append(measured(store, case))
    return complete


def read_rules() -> Iterator[Rule]:
    """Every reading of every sweep, times every factor."""
    for sweep in ALL_SWEEPS:
        for reading in READINGS:
            for factor in FACTORS:
                yield Rule(sweep, reading, factor)


def confirmed_rules() -> Iterator[Rule]:
    """What is read off the default sweep, confirmed in several ways."""
    for reading in ("plateau_middle", "accuracy_peak"):
        for factors in CONFIRMED:
            for seeds in (1, len(CHOOSING_SEEDS)):
                yield Rule(DEFAULT_SWEEP, reading, 1.0, factors, seeds)
