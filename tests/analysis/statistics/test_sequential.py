from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from superconv_ray.analysis.statistics.sequential import crossing_probability, level_per_look

ADDED_ONE_BY_ONE = range(3, 13)


def rejected(gaps: npt.NDArray[np.float64], looks: Sequence[int], level: float) -> float:
    """Share of studies [studies, n] that any look's t test rejects."""
    found = np.zeros(len(gaps), dtype=bool)
    for n in looks:
        found |= stats.ttest_1samp(gaps[:, :n], 0, axis=1).pvalue < level
    return float(found.mean())


@pytest.mark.parametrize(
    ("looks", "alpha"), [(ADDED_ONE_BY_ONE, 0.05), ((5, 9), 0.05), ((2, 3, 7), 0.01)]
)
def test_the_looks_err_together_as_often_as_they_may(looks: Sequence[int], alpha: float) -> None:
    gaps = np.random.default_rng(0).normal(size=(40_000, looks[-1]))
    error = 3 * np.sqrt(alpha / len(gaps))
    level = level_per_look(alpha, looks)
    assert rejected(gaps, looks, level) == pytest.approx(alpha, abs=error)
    assert rejected(gaps, looks, alpha) > alpha + error  # a level for one look


def test_known_levels() -> None:
    # A simulation of 400,000 studies with 3 to 12 values found 4.96 % at 0.01052.
    assert level_per_look(0.05, ADDED_ONE_BY_ONE) == pytest.approx(0.01055, abs=5e-5)
    # Many values are as good as normal ones: Pocock's constant for two equal stages is 2.178.
    assert level_per_look(0.05, (30, 60)) == pytest.approx(0.0294, abs=4e-4)


def test_one_look_has_the_whole_level() -> None:
    assert level_per_look(0.05, ()) == level_per_look(0.05, (7,)) == 0.05
    assert crossing_probability(0.02, (7,)) == pytest.approx(0.02)


@settings(max_examples=10, deadline=None)
@given(st.sets(st.integers(2, 15), min_size=2, max_size=5).map(sorted), st.floats(0.001, 0.1))
def test_a_level_lies_between_bonferronis_and_that_of_one_look(
    looks: list[int], alpha: float
) -> None:
    level = level_per_look(alpha, looks)
    assert 0.999 * alpha / len(looks) < level < alpha
    assert level_per_look(alpha, looks[:-1]) > level  # a look fewer


@pytest.mark.parametrize("looks", [(1, 2), (3, 3), (5, 4)])
def test_looks_are_ascending_numbers_of_pairs(looks: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"looks must be ascending numbers of pairs >= 2, got \["):
        level_per_look(0.05, looks)
