"""Judges that read learning curves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from superconv_ray.analysis.scorecard.judgement import DOES_NOT_HOLD, HOLDS, Verdict
from superconv_ray.analysis.scorecard.judges.during_training import (
    hessian_free,
    regularization_by_lr,
)
from tests.analysis.made import frame, run

Curve = Callable[[float], float]
"""From the part of the run that is done to a value."""
SEEDS = range(4)
STEPS = 100


def runs(arms: dict[str, dict[str, Curve]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Trials and curves; each seed deviates a little."""
    trials, rows = [], []
    for arm, columns in arms.items():
        for seed in SEEDS:
            trial = run(arm, seed, 0.9, steps=STEPS, max_lr=2.0)
            trials.append(trial)
            for step in range(10, STEPS + 1, 10):
                done = step / STEPS
                values = {name: of(done) * (1 + 0.01 * seed) for name, of in columns.items()}
                rows.append({"trial_id": trial["trial_id"], "step": step, "lr": 2 * done, **values})
    return frame(trials), frame(rows)


@pytest.mark.parametrize(
    ("train", "test", "verdict"),
    [
        (lambda x: 0.1 + x, lambda x: 1.0 - 0.5 * x, HOLDS),
        (lambda x: 0.1 + x, lambda x: 1.0 + 0.5 * x, DOES_NOT_HOLD),
        (lambda x: 1.5 - x, lambda x: 1.0 - 0.5 * x, DOES_NOT_HOLD),
    ],
)
def test_a_rate_regularizes_if_training_loss_rises_while_test_loss_falls(
    train: Curve, test: Curve, verdict: Verdict
) -> None:
    found = regularization_by_lr(*runs({"ramp": {"train_loss": train, "test_loss": test}}))
    assert found.verdict == verdict


def test_a_ramp_on_which_all_runs_diverge_does_not_regularize() -> None:
    trials, curves = runs({"ramp": {"train_loss": lambda _: 1.0, "test_loss": lambda _: 1.0}})
    found = regularization_by_lr(trials, curves[curves["step"] < STEPS / 2])
    assert found.verdict == DOES_NOT_HOLD
    assert "in all of 4 runs" in found.ours


def test_an_estimate_must_be_higher_both_halfway_and_at_the_end() -> None:
    def arms(end: float) -> dict[str, dict[str, Curve]]:
        def cycle(done: float) -> float:
            return 8.0 if done < 0.9 else end

        column = "hessian_free_lr_smoothed"
        return {"one_cycle": {column: cycle}, "constant_0.1": {column: lambda _: 2.0}}

    high = hessian_free(*runs(arms(end=6.0)))
    assert high.verdict == HOLDS
    assert high.ours.startswith("4.0 [4.0, 4.0] times that of a constant 0.1 halfway; 3.0 ")
    assert hessian_free(*runs(arms(end=1.0))).verdict == DOES_NOT_HOLD


def test_a_run_that_lacks_its_estimate_is_left_out() -> None:
    trials, curves = runs(
        {
            name: {"hessian_free_lr_smoothed": lambda _: 1.0}
            for name in ("one_cycle", "constant_0.1")
        }
    )
    lost = curves["trial_id"] == trials["trial_id"].iloc[0]
    curves.loc[lost, "hessian_free_lr_smoothed"] = np.nan
    assert "1.0 [1.0, 1.0] times" in hessian_free(trials, curves).ours
