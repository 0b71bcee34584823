"""Verdicts and notes on numbers given by hand; `compare` is tested with them on whole tables."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from superconv_ray.analysis.comparison.choices import SHARED_CHOICE
from superconv_ray.analysis.comparison.verdicts import Corrections, further_seeds, note, verdicts

ROW: dict[str, Any] = {
    "arm": "a",
    "baseline": "b",
    "mean": 0.02,
    "low": 0.01,
    "high": 0.03,
    "sd": 0.01,
    "n": 8,
    "runs": 8,
    "runs_baseline": 8,
    "diverged": 0,
    "diverged_baseline": 0,
    "chosen": 8,
    "chosen_baseline": 0,
    "choices": 8,
    "choices_baseline": 0,
    "p_holm": 0.01,
    "p_floor": 0.0078125,
    "verdict": "super-converges",
    "further_seeds": pd.NA,
}
ONCE = Corrections(tests=1, looks=1)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.001, 0.300, "super-converges"),
        (0.001, 0.004, "super-converges"),
        (0.000, 0.300, "undecided"),
        (-0.30, 0.300, "undecided"),
        (-0.01, 0.005, "undecided"),
        (-0.01, 0.004, "does not"),
        (-0.30, -0.01, "does not"),
        (math.nan, math.nan, "undecided"),
    ],
)
def test_an_interval_has_one_verdict(low: float, high: float, verdict: str) -> None:
    table = pd.DataFrame([{**ROW, "low": low, "high": high}])
    assert verdicts(table, margin=0.005).tolist() == [verdict]


@pytest.mark.parametrize(
    "reason", [{"sd": 0.0}, {"sd": math.nan}, {"diverged_baseline": 8}, {"runs_baseline": 0}]
)
def test_nothing_comparable_is_undecided_and_no_seeds_would_help(reason: dict[str, Any]) -> None:
    table = pd.DataFrame([{**ROW, "verdict": "undecided", **reason}])
    assert verdicts(table, margin=0.005).tolist() == ["undecided"]
    assert further_seeds(table, 0.005, 0.95).isna().all()


def test_further_seeds_are_counted_to_the_bound_that_is_farther() -> None:
    # Effects of 1, by the mean and by the margin: 10 pairs decide (G*Power), and 8 are there.
    means = [0.01, 0.0, -0.005]
    table = pd.DataFrame([{**ROW, "verdict": "undecided", "mean": mean} for mean in means])
    assert further_seeds(table, 0.01, 0.95).tolist()[:2] == [2, 2]
    assert further_seeds(table, 0.005, 0.95).tolist()[2] == 2


def test_a_decided_row_needs_no_more_seeds() -> None:
    assert further_seeds(pd.DataFrame([ROW]), 0.005, 0.95).isna().all()


def test_a_plain_case_has_nothing_to_note() -> None:
    assert note(ROW, ONCE) == ""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"runs": 10}, "2 runs of 'a' without a partner left out"),
        ({"runs_baseline": 9}, "1 run of 'b' without a partner left out"),
        ({"choices": 1}, SHARED_CHOICE),
        ({"chosen_baseline": 8, "choices_baseline": 1}, SHARED_CHOICE),
        ({"chosen_baseline": 8, "choices_baseline": 8}, ""),
        ({"diverged": 1}, "'a' diverged in 1 of 8 runs, counted as measured"),
        ({"diverged_baseline": 8}, "'b' diverged in all of 8 runs: nothing to compare with"),
        ({"p_holm": 0.06}, "better by its own interval, but p > 0.05"),
        ({"verdict": "undecided"}, "it would take more than 1,000 seeds to decide"),
        ({"verdict": "undecided", "further_seeds": 4}, ""),
        ({"n": 0, "runs_baseline": 0, "verdict": "undecided"}, "no finished training of 'b' here"),
    ],
)
def test_what_a_reader_must_know_is_noted(change: dict[str, Any], expected: str) -> None:
    assert note({**ROW, **change}, ONCE) == expected


@pytest.mark.parametrize(
    ("corrections", "expected"),
    [
        (ONCE, "p cannot be below 0.25 with 8 pairs"),
        (Corrections(4, 1), "p cannot be below 0.25 with 8 pairs, corrected for 4 rows"),
        (Corrections(1, 3), "p cannot be below 0.25 with 8 pairs, corrected for 3 looks"),
        (
            Corrections(4, 3),
            "p cannot be below 0.25 with 8 pairs, corrected for 4 rows and 3 looks",
        ),
    ],
)
def test_the_least_possible_p_is_that_of_the_corrected_p(
    corrections: Corrections, expected: str
) -> None:
    assert note({**ROW, "p_floor": 0.25, "p_holm": 0.25}, corrections) == expected
    assert note({**ROW, "p_floor": 0.05}, corrections) == ""
