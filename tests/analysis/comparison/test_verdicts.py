"""Verdicts on numbers given by hand; `compare` is tested with them on whole tables."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy import stats

from superconv_ray.analysis.comparison.verdicts import gaps_decide, level_per_row, verdicts
from tests.analysis.comparison.made import DECIDED as ROW

MARGIN = 0.005


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.001, 0.300, "arm better"),
        (0.001, 0.005, "arm better"),
        (0.001, 0.004, "equivalent"),  # by little, but surely
        (-0.004, 0.004, "equivalent"),
        (-0.004, -0.001, "equivalent"),
        (-0.005, 0.004, "undecided"),
        (0.000, 0.300, "undecided"),
        (-0.30, 0.300, "undecided"),
        (-0.01, 0.004, "undecided"),
        (-0.30, -0.01, "baseline better"),
        (math.nan, math.nan, "undecided"),
    ],
)
def test_an_interval_has_one_verdict(low: float, high: float, verdict: str) -> None:
    table = pd.DataFrame([{**ROW, "low": low, "high": high}])
    assert verdicts(table, MARGIN).tolist() == [verdict]


@pytest.mark.parametrize(
    "reason", [{"sd": 0.0}, {"sd": math.nan}, {"diverged": 8, "diverged_baseline": 8}]
)
def test_where_nothing_can_be_compared_nothing_is_decided(reason: dict[str, Any]) -> None:
    assert verdicts(pd.DataFrame([{**ROW, **reason}]), MARGIN).tolist() == ["undecided"]


def test_rows_and_looks_share_the_chance_of_an_error() -> None:
    assert level_per_row(1) == pytest.approx(0.05)
    assert level_per_row(15) == pytest.approx(0.05 / 15)
    assert level_per_row(15, range(3, 13)) < 0.05 / 15 / 4


def decided(gaps: npt.NDArray[np.float64], rows: int) -> pd.Series[str]:
    """Verdicts on independent rows [rows, pairs] of a table with that many."""
    mean, sd, n = gaps.mean(axis=1), gaps.std(axis=1, ddof=1), gaps.shape[1]
    half = stats.t.ppf(1 - level_per_row(rows) / 2, n - 1) * sd / np.sqrt(n)
    table = pd.DataFrame({"low": mean - half, "high": mean + half, "sd": sd})
    return verdicts(table.assign(**{name: ROW[name] for name in ROW if name not in table}), MARGIN)


def any_of(found: pd.Series[str], words: set[str], rows: int) -> float:
    """Share of tables with any of these verdicts."""
    return float(found.isin(words).to_numpy().reshape(-1, rows).any(axis=1).mean())


def test_without_any_difference_a_table_calls_an_arm_better_in_at_most_five_percent() -> None:
    rows, tables = 15, 4_000  # five points, three baselines that share the arm's runs
    generator = np.random.default_rng(0)
    arm, baselines = (
        generator.normal(size=(tables, 5, 1, 5)),
        generator.normal(size=(tables, 5, 3, 5)),
    )
    gaps = (arm - baselines).reshape(-1, 5)
    better = {"arm better", "baseline better"}
    assert any_of(decided(gaps, rows), better, rows) < 0.05
    # By each row's own interval it would be every other table, and "arm better" in every fourth.
    assert any_of(decided(gaps, 1), better, rows) > 0.35
    assert any_of(decided(gaps, 1), {"arm better"}, rows) > 0.2


@pytest.mark.parametrize("sd", [0.0002, 0.001, 0.003])
def test_gaps_of_the_margin_are_called_equivalent_in_at_most_five_percent(sd: float) -> None:
    gaps = np.random.default_rng(0).normal(MARGIN, sd, size=(4_000 * 6, 5))
    wrong = {"equivalent", "baseline better"}
    assert any_of(decided(gaps, 6), wrong, 6) < 0.05
    assert any_of(decided(gaps, 1), wrong, 6) > (0.05 if sd < 0.003 else 0)


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ((0.019, 0.020, 0.021), True),
        ((-0.019, -0.020, -0.021), True),
        ((0.0001, -0.0001, 0.0), True),  # equivalent
        ((0.02, 0.00, -0.02), False),
        ((0.1,), False),
        ((), False),
        ((0.7 - 0.6, 0.8 - 0.7, 0.9 - 0.8), False),  # equal but for rounding errors
    ],
)
def test_seeds_stop_where_a_verdict_is_reached(gaps: tuple[float, ...], expected: bool) -> None:
    assert gaps_decide(gaps, 0.05, MARGIN) == expected


def test_seeds_stop_by_the_level_of_the_table() -> None:
    gaps = (0.010, 0.011, 0.015)  # p = 0.016
    assert gaps_decide(gaps, level_per_row(1), MARGIN)
    assert not gaps_decide(gaps, level_per_row(15), MARGIN)
    assert not gaps_decide(gaps, level_per_row(1, range(3, 13)), MARGIN)
