from __future__ import annotations

from typing import get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superconv_ray.analysis.range_tests.advice import Verdict
from superconv_ray.analysis.range_tests.tables import suggestions
from tests.analysis.range_tests.made import POINTS, curve, cut, hill, only_row, replicates, step


@pytest.mark.parametrize(
    ("accuracy", "verdict", "advice"),
    [
        (hill(), "peak", "Use max_lr=0.108; for one cycle min_lr=0.0054 to 0.011 (max_lr/20 to"),
        (step(20, 50), "plateau", "Use max_lr=0.0363"),
        (step(20), "plateau", "The plateau reaches the end of the test: raise that end"),
        (step(59), "not bracketed", "the upper end of the test, 10: raise that end"),
        (hill(0), "not bracketed", "the lower end of the test, 0.001: lower that end"),
        ([0.1] * POINTS, "too noisy", "cannot be told from noise"),
        ([0.1, 0.5] * (POINTS // 2), "too noisy", "cannot be told from noise"),
    ],
)
def test_a_verdict_says_what_the_test_shows(
    accuracy: npt.ArrayLike, verdict: str, advice: str
) -> None:
    row = only_row(replicates(accuracy, accuracy))
    assert row.verdict == verdict
    assert advice in row.advice


def test_seeds_whose_peaks_lie_decades_apart_are_too_noisy() -> None:
    assert only_row(replicates(hill(15, 5), hill(45, 5))).verdict == "too noisy"


def test_a_seed_that_diverges_below_the_peak_leaves_it_unknown() -> None:
    row = only_row(pd.concat([cut(hill().tolist(), 20, 0.02, 0), curve(hill(), 1)]))
    assert (row.diverged, row.divergence_lr, row.verdict) == (1, 0.02, "too noisy")
    assert "a seed diverged below the peak" in row.advice


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
        assert suggestions(curves)["lr"].dropna().between(0, 3).all()
