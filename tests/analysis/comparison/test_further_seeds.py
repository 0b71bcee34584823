"""Advice on further seeds, and what following it achieves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from superconv_ray.analysis.comparison.further_seeds import further_seeds
from superconv_ray.analysis.comparison.verdicts import gaps_decide
from tests.analysis.comparison.made import DECIDED

MARGIN, LEVEL = 0.5, 0.025


def open_row(mean: float, sd: float, n: int, **other: Any) -> dict[str, Any]:
    return {**DECIDED, "mean": mean, "sd": sd, "n": n, "verdict": "undecided", **other}


def advice(*rows: dict[str, Any]) -> list[Any]:
    return further_seeds(pd.DataFrame(rows), MARGIN, LEVEL).tolist()


def test_a_decided_row_needs_no_more_seeds() -> None:
    assert advice({**DECIDED, "mean": 1.0}) == [pd.NA]


def test_without_a_spread_no_number_is_known() -> None:
    assert advice(open_row(1.0, 0.0, 5)) == [pd.NA]


def test_an_answer_that_is_near_needs_fewer_seeds_and_a_hopeless_one_has_none() -> None:
    clear, vague, hopeless = open_row(1.5, 1.0, 5), open_row(0.7, 1.0, 5), open_row(0.5, 90.0, 90)
    near, far, never = advice(clear, vague, hopeless)
    assert near < far
    assert never is pd.NA
    assert advice(vague, clear) == [far, near]  # a row by itself


def test_the_promised_share_is_kept_where_means_are_as_the_prior_has_them() -> None:
    # True means spread widely over undecided and clear ones: each gets its advice and follows it.
    generator = np.random.default_rng(1)
    kept = []
    for truth in generator.uniform(-3, 3, size=600):
        gaps = generator.normal(truth, 1, size=5)
        if gaps_decide(gaps, LEVEL, MARGIN):
            continue
        (more,) = advice(open_row(gaps.mean(), gaps.std(ddof=1), 5))
        if more is not pd.NA:
            both = np.append(gaps, generator.normal(truth, 1, size=more))
            kept.append(gaps_decide(both, LEVEL, MARGIN))
    assert len(kept) > 100
    assert 0.75 < np.mean(kept) < 0.95
