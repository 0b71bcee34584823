"""The judge of the critique that a tuned decay does as well."""

from __future__ import annotations

import pandas as pd
import pytest

from superconv_ray.analysis.scorecard.judgement import CANNOT_TELL, DOES_NOT_HOLD, HOLDS, Verdict
from superconv_ray.analysis.scorecard.judges.baselines import tuned_baseline
from tests.analysis.made import frame, run


@pytest.mark.parametrize(
    ("linear_minus_cycle", "spread", "verdict"),
    [
        (0.0, 0.001, HOLDS),
        (0.03, 0.001, HOLDS),
        (-0.03, 0.001, DOES_NOT_HOLD),
        (0.0, 0.05, CANNOT_TELL),
    ],
)
def test_a_decay_does_as_well_if_it_does_not_lose_half_a_point(
    linear_minus_cycle: float, spread: float, verdict: Verdict
) -> None:
    rows = [
        run(arm, seed, 0.8 + gap + noise, data_count=n)
        for n in (100, 1000)
        for seed, sign in enumerate((-1, 1, -1, 1))
        for arm, gap, noise in [
            ("one_cycle", 0.0, 0.0),
            ("linear", linear_minus_cycle, sign * spread),
        ]
    ]
    found = tuned_baseline(frame(rows), pd.DataFrame())
    assert found.verdict == verdict
    assert "100 labels" in found.ours
    assert "1,000 labels" in found.ours
