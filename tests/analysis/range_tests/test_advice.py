from __future__ import annotations

import re
from typing import get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superconv_ray.analysis.range_tests.advice import Verdict
from superconv_ray.analysis.range_tests.tables import suggestions
from tests.analysis.range_tests.made import (
    POINTS,
    curve,
    cut,
    hill,
    only_row,
    replicates,
    slope,
    step,
)


@pytest.mark.parametrize(
    ("accuracy", "verdict", "advice"),
    [
        (hill(), "peak", "Use max_lr=0.108; for one cycle min_lr=0.0054 to 0.011 (max_lr/20 to"),
        (step(20), "plateau", "The test ends at 10: raise that end"),
        (slope(20), "plateau", "within 5 % of its best up to LR 0.377, and falls"),
        (step(20, 50), "collapse", "Accuracy collapses at LR 2.45; max_lr is at most two"),
        (step(59), "not bracketed", "the upper end of the test, 10: raise that end"),
        (hill(0), "not bracketed", "the lower end of the test, 0.001: lower that end"),
        ([0.1] * POINTS, "too noisy", "may be noise"),
        ([0.1, 0.5] * (POINTS // 2), "too noisy", "may be noise"),
    ],
)
def test_a_verdict_says_what_the_test_shows(
    accuracy: npt.ArrayLike, verdict: str, advice: str
) -> None:
    row = only_row(replicates(accuracy, accuracy))
    assert row.verdict == verdict
    assert advice in row.advice


def test_white_noise_tells_nothing() -> None:
    noise = np.random.default_rng(0).normal(0.1, 0.02, (3, POINTS))
    assert only_row(replicates(*noise)).verdict == "too noisy"


def test_seeds_that_disagree_by_decades_are_too_noisy() -> None:
    row = only_row(replicates(hill(15, 5), hill(45, 5)))
    assert row.verdict == "too noisy"
    assert "with worse ones between them" in row.advice
    assert f"Until then, max_lr={row.max_lr:g} is a guess." in row.advice


def test_a_seed_that_diverges_below_the_plateau_leaves_it_unknown() -> None:
    row = only_row(pd.concat([cut(hill().tolist(), 20, 0.02, 0), curve(hill(), 1)]))
    assert (row.collapse_lr, row.verdict) == (0.02, "too noisy")
    assert "collapses at a rate below the plateau" in row.advice


@pytest.mark.parametrize("accuracy", [hill(), step(20), step(20, 50), slope(20), step(59)])
def test_the_advice_names_one_max_lr_and_no_other(accuracy: npt.ArrayLike) -> None:
    row = only_row(curve(accuracy))
    assert re.findall(r"max_lr=([\d.]+\d)", row.advice) == [f"{row.max_lr:g}"]
    assert not row.max_lr > row.collapse_lr / 1.5


@given(
    st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=30), min_size=1, max_size=4),
    st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_any_curve_gets_a_verdict_and_its_rates_lie_in_the_test(
    accuracies: list[list[float]], diverged: list[bool]
) -> None:
    rates = np.linspace(0, 3, POINTS)
    curves = pd.concat(
        [
            curve(accuracy, seed, rates=rates, status="diverged" if lost else "completed")
            for seed, (accuracy, lost) in enumerate(zip(accuracies, diverged, strict=False))
        ]
    )
    row = only_row(curves)
    assert row.verdict in get_args(Verdict)
    if row.verdict == "nothing measured":
        assert suggestions(curves)["lr"].isna().all()
    else:
        assert 0 < row.plateau_low <= row.peak_lr <= row.plateau_high <= 3
        assert row.low <= row.peak_lr <= row.high
        assert 0 < row.max_lr <= 3
        assert suggestions(curves)["lr"].dropna().between(0, 3).all()
