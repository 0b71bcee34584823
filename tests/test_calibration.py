"""What the calibration of range tests computes, on accuracies that are given."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.calibrating.cases import CASES, RATES, Case
from benchmarks.calibrating.costs import Measured, Rule
from benchmarks.calibration import cost_of, left_out

RATES_OF_SGD = RATES["sgd"]


def case(
    best: float, dataset: str = "wine", held_out: float | None = None, **read: float
) -> Measured:
    """Accuracy falls by 10 points a decade away from the best rate, for each of three seeds."""
    decades = np.abs(np.log10(np.array(RATES_OF_SGD) / best))
    chosen = np.abs(np.log10(np.array(RATES_OF_SGD) / (held_out or best)))
    return Measured(
        Case(dataset, "mlp", 89, 16, 150),
        np.tile(90 - 10 * decades, (3, 1)),
        np.tile(80 - 10 * chosen, (3, 1)),
        {("sweep", name): rate for name, rate in read.items()},
    )


def test_a_rule_costs_the_accuracy_between_its_rate_and_the_best() -> None:
    measured = case(0.1, peak=0.5)
    assert measured.best == pytest.approx(90)
    assert measured.cost(Rule("sweep", "peak")) == pytest.approx(10 * np.log10(5))
    assert measured.cost(Rule("sweep", "peak", 0.2)) == pytest.approx(0)


def test_a_rate_outside_the_grid_or_none_costs_what_the_end_of_the_grid_does() -> None:
    measured = case(0.1, high=1e3, none=np.nan)
    assert measured.cost(Rule("sweep", "high")) == pytest.approx(10 * np.log10(100))
    assert measured.cost(Rule("sweep", "none")) == pytest.approx(10 * np.log10(0.1 / 0.005))


def test_a_confirmation_takes_the_best_rate_on_held_out_labels() -> None:
    measured = case(0.1, held_out=1.0, peak=0.3)
    rule = Rule("sweep", "peak", confirm=(1 / 3, 1.0, 3.0), seeds=1)
    assert measured.rate(rule) == 1.0  # 0.9, to the grid
    assert measured.cost(rule) == pytest.approx(10)


def test_costs_are_means_over_data_sets_of_means_over_cases() -> None:
    cases = [case(0.1, peak=0.1), case(0.1, peak=1.0), case(0.1, "digits", peak=1.0)]
    found = cost_of(cases, Rule("sweep", "peak"))
    assert (found.mean, found.worst) == pytest.approx(((5 + 10) / 2, 10))
    assert found.good == pytest.approx(1 / 3)


def test_a_rule_is_chosen_without_the_data_set_that_it_is_measured_on() -> None:
    # Each data set would choose another rule for itself than the other one chooses for it.
    cases = [case(0.1, "wine", a=0.1, b=1.0), case(0.1, "digits", a=1.0, b=0.1)]
    found, lines = left_out(cases, [Rule("sweep", "a"), Rule("sweep", "b")])
    assert found.mean == pytest.approx(10)
    assert lines == ["wine: sweep: b: +10.0", "digits: sweep: a: +10.0"]


def test_cases_differ() -> None:
    assert len({own.name for own in CASES}) == len(CASES)
