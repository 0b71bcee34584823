from __future__ import annotations

import math

import pandas as pd
import pytest

from superconv_ray.analysis.runs.learning_curves import learning_curves
from tests.analysis.made import frame, run


def measured(trial: str, accuracies: dict[int, float], **other: float) -> pd.DataFrame:
    rows = [
        {"trial_id": trial, "step": step, "test_accuracy": a, "train_loss": 1 - a, **other}
        for step, a in accuracies.items()
    ]
    return pd.DataFrame(rows).assign(validation_accuracy=math.nan)


def study(
    *curves: dict[int, float], lost: tuple[int, ...] = ()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """An arm's trials, one a seed, and their curves; those that are lost diverged."""
    trials = frame(
        run("a", seed, 0.5, steps_done=100, status="diverged" if seed in lost else "completed")
        for seed in range(len(curves))
    )
    ids = trials["trial_id"]
    rows = [measured(trial, curve) for trial, curve in zip(ids, curves, strict=True)]
    return trials, pd.concat(rows)


def accuracies(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["measure"] == "test_accuracy"].set_index("step")


def test_a_mean_has_the_t_interval_over_its_seeds() -> None:
    table = accuracies(learning_curves(*study({1: 0.1, 100: 0.8}, {1: 0.1, 100: 0.9})))
    last = table.loc[100]
    # Logit 1.734601; sd 0.0707, sqrt(2) in the denominator, t of 1 degree of freedom 12.7062, and
    # 0.85 * 0.15 in the denominator: 4.982826
    assert (last["mean"], last["n"]) == (pytest.approx(0.85), 2)
    assert (last["low"], last["high"]) == pytest.approx((0.037391, 0.998792), abs=1e-6)


def test_steps_that_a_seed_lacks_have_no_mean() -> None:
    table = accuracies(learning_curves(*study({1: 0.1, 50: 0.5, 100: 0.8}, {1: 0.1, 100: 0.9})))
    assert list(table.index) == [1, 100]


def test_a_diverged_seed_counts_on_with_what_it_measured_last() -> None:
    trials, curves = study({1: 0.2, 50: 0.6, 100: 0.8}, {1: 0.2, 37: 0.1}, lost=(1,))
    table = accuracies(learning_curves(trials, curves))
    assert dict(table["mean"]) == pytest.approx({1: 0.2, 50: 0.35, 100: 0.45})
    assert set(table["n"]) == {2}


def test_a_loss_ends_where_a_seed_diverged() -> None:
    trials, curves = study({1: 0.2, 50: 0.6, 100: 0.8}, {1: 0.2, 37: 0.1}, lost=(1,))
    table = learning_curves(trials, curves)
    assert list(table.loc[table["measure"] == "train_loss", "step"]) == [1]


def test_one_seed_has_no_interval() -> None:
    table = accuracies(learning_curves(*study({1: 0.1, 100: 0.8})))
    assert table["low"].isna().all()
    assert list(table["mean"]) == [0.1, 0.8]


def test_what_was_never_measured_has_no_rows() -> None:
    table = learning_curves(*study({1: 0.1}))
    assert set(table["measure"]) == {"test_accuracy", "train_loss"}
    nothing = learning_curves(*study({1: 0.1}), measures=["validation_accuracy"])
    assert list(nothing.columns) == ["arm", "step", "measure", "mean", "low", "high", "n"]
    assert nothing.empty


def test_settings_distinguish_points_including_lists() -> None:
    trials, curves = study({1: 0.1, 100: 0.8})
    trials["milestones"] = [(0.5, 0.75)]
    table = learning_curves(trials, curves, ["data_count", "milestones"])
    assert set(table["milestones"]) == {(0.5, 0.75)}
    assert set(table["data_count"]) == {100}


def test_trainings_that_by_does_not_distinguish_are_rejected() -> None:
    trials, curves = study({1: 0.1})
    twice = pd.concat([trials, trials.assign(trial_id="other", data_count=200)])
    with pytest.raises(ValueError, match="by must distinguish points"):
        learning_curves(twice, curves)


def test_an_unknown_measure_is_rejected() -> None:
    with pytest.raises(ValueError, match="measures must name columns of the curves, got 'loss'"):
        learning_curves(*study({1: 0.1}), measures=["loss"])
