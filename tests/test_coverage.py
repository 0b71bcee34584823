"""The benchmark of intervals: it goes on after an interruption, and knows the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import covering
from benchmarks.coverage import KeptRates, rates
from benchmarks.covering import CASES


def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "coverage.part.json"
    first = KeptRates(path, 2)
    whole = [next(one) for one in [rates(2, first)] for _ in range(4)]
    again = KeptRates(path, 2)
    assert again.of("`compare`: gap on the same test set, over seeds; normal; 3 seeds", list) == [
        whole[0][2][0]
    ]
    assert [next(one) for one in [rates(2, again)] for _ in range(4)] == whole


def test_numbers_of_other_draws_or_other_code_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "coverage.part.json"
    KeptRates(path, 2).of("a", lambda: [1.0])
    assert KeptRates(path, 2).of("a", lambda: [2.0]) == [1.0]
    assert KeptRates(path, 3).of("a", lambda: [2.0]) == [2.0]
    other = tmp_path / "covering.py"
    other.write_text("changed")
    monkeypatch.setattr(covering, "__file__", str(other))
    assert KeptRates(path, 3).of("a", lambda: [3.0]) == [3.0]


@pytest.mark.parametrize("growth", [1.0, 2.0])
def test_most_intervals_of_a_growth_hold_it(growth: float) -> None:
    random = np.random.default_rng(0)
    found = list(covering.factor_trends(60, 4, CASES["normal"], random, growth=growth, factor=3.0))
    held, called_growing = np.mean(found, axis=0)
    assert held > 0.85  # of 60 at 95 %, fewer have a chance of 0.1 %
    assert called_growing < 0.15 if growth == 1 else called_growing > 0.5


def test_of_a_factor_on_few_test_samples_more_intervals_hold_it_if_they_count_these() -> None:
    random = np.random.default_rng(0)
    found = list(covering.factors_in_population(60, 8, CASES["normal"], random, samples=100))
    over_seeds, over_both = np.mean(found, axis=0)
    assert over_seeds < over_both > 0.85
