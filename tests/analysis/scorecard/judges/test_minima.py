"""The judge of flat minima, on runs whose curvature is a power of their training loss."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from superconv_ray.analysis.scorecard.judgement import (
    CANNOT_TELL,
    DOES_NOT_HOLD,
    HOLDS,
    Judgement,
    Verdict,
)
from superconv_ray.analysis.scorecard.judges.minima import flat_minima
from tests.analysis.made import frame, run

BUDGETS = (100, 200, 400, 800)


def trials(
    times: float,
    relative: float,
    *,
    faster: int = 4,
    seeds: int = 5,
    spread: float = 0.05,
    curvature: float = 10.0,
) -> pd.DataFrame:
    """A large rate that learns faster, with the curvatures of a small one, times some numbers."""
    random, rows = np.random.default_rng(0), []
    for steps in BUDGETS:
        for seed in range(seeds):
            for arm, speed, ratio, own in (
                ("one_cycle", faster, times, relative),
                ("small_rate", 1, 1.0, 1.0),
            ):
                loss = 100 / (steps * speed)
                noise = np.exp(spread * random.standard_normal(2))
                rows.append(
                    run(
                        *(arm, seed, 0.9),
                        steps=steps,
                        train_loss=loss,
                        hessian_max=curvature * loss * ratio * noise[0],
                        hessian_max_relative=curvature * loss * own * noise[1],
                    )
                )
    return frame(rows)


def judged(table: pd.DataFrame) -> Judgement:
    return flat_minima(table, pd.DataFrame())


@pytest.mark.parametrize(
    ("times", "relative", "verdict"),
    [
        (0.5, 0.5, HOLDS),
        (2.0, 0.5, DOES_NOT_HOLD),
        (0.5, 2.0, DOES_NOT_HOLD),  # flatter only by the scale of its weights
        (1.0, 1.0, CANNOT_TELL),  # flatter at equal steps, because its loss is lower
    ],
)
def test_a_large_rate_must_be_flatter_at_equal_loss_by_both_measures(
    times: float, relative: float, verdict: Verdict
) -> None:
    found = judged(trials(times, relative))
    assert found.verdict == verdict
    assert "at equal training loss (0.13 to 0.25)" in found.ours


def test_the_ratios_are_those_at_equal_loss_and_at_equal_steps() -> None:
    found = judged(trials(0.4, 0.25, spread=1e-3)).ours
    assert "largest eigenvalue 0.40 [0.40, 0.40] times" in found
    assert "for relative changes 0.25 [0.25, 0.25] times" in found
    assert found.endswith("at equal steps 0.10 [0.10, 0.10] times")  # with a quarter of the loss


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (trials(1.0, 1.0, faster=100), "the arms reach no training loss in common"),
        (trials(-1.0, 1.0), "hessian_max must be > 0 to be compared, got -"),
    ],
)
def test_what_cannot_be_compared_is_no_number(table: pd.DataFrame, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        judged(table)


def test_one_seed_tells_nothing() -> None:
    assert judged(trials(0.5, 0.5, seeds=1)).verdict == CANNOT_TELL
