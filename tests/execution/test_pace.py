"""How long trials take: what counts as one workload, and what is measured of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from superconv_ray import Arm, Dataset, Study, Trial, iterations
from superconv_ray.design.building import make_plan
from superconv_ray.design.evaluations import PROBE_COUNT, row_steps
from superconv_ray.execution import pace
from superconv_ray.execution.pace import (
    PACE_COLUMNS,
    Facts,
    Pace,
    Spread,
    evaluated_samples,
    facts_of,
    measured_paces,
    workload,
)
from superconv_ray.training import samples


def facts_and_trial(**settings: Any) -> tuple[Facts, dict[str, Any]]:
    """The settings of a study's trial, and the data sets that it knows."""
    plan = make_plan(
        Study(
            name="paced",
            base=Trial(**{"dataset": "digits", "batch_size": 20, "max_lr": 0.1, **settings}),
            arms={"a": Arm(policy="constant")},
            budget=iterations(50),
            seeds=1,
        )
    )
    return facts_of(plan), plan.cells[0].trainings[0].settings()


def key(**settings: Any) -> object:
    facts, trial = facts_and_trial(**settings)
    return workload(trial, facts)


def row(step: float, sample: float = 1e-4, **changes: Any) -> dict[str, Any]:
    """What a store has of a trial whose steps and evaluations took so long."""
    facts, trial = facts_and_trial()
    evaluated = evaluated_samples(trial, facts["digits", None].test_count)
    measured = {
        "status": "completed",
        "steps_done": 50,
        "train_seconds": 50 * step,
        "eval_seconds": evaluated * sample,
        "device": "A processor",
        "threads": 1,
        "peak_gpu_memory_bytes": None,
    }
    return dict.fromkeys(PACE_COLUMNS) | trial | measured | changes


@pytest.mark.parametrize(
    "same",
    [
        {"max_lr": 1.0},
        {"weight_decay": 0.1},
        {"data_count": 100},
        {"loss": "cross_entropy"},
        {"ghost_batch_size": 20},
    ],
)
def test_what_does_not_change_the_time_of_a_step_is_one_workload(same: dict[str, Any]) -> None:
    assert key(**same) == key()


@pytest.mark.parametrize(
    "other",
    [
        {"model": "resnet20"},
        {"dataset": "mnist"},
        {"batch_size": 32},
        {"precision": "fp32"},
        {"deterministic": True},
        {"optimizer": "adamw"},
        {"dropout": 0.1},
        {"augment": "flip"},
        {"ghost_batch_size": 10},
        {"hessian_free_interval": 2},
        {"sharpness": True},
    ],
)
def test_what_changes_the_time_of_a_step_is_another_workload(other: dict[str, Any]) -> None:
    assert key(**other) != key()


def test_a_store_that_does_not_know_sharpness_yet_has_paces_of_trials_without_it() -> None:
    facts, trial = facts_and_trial()
    assert workload(row(0.1, sharpness=None), facts) == workload(trial, facts)


def test_data_sets_of_the_same_shape_are_one_workload() -> None:
    assert key(dataset="mnist") == key(dataset="fashion_mnist")
    assert key(dataset="cifar10") != key(dataset="cifar100")  # another number of classes


def test_own_data_of_the_shape_of_a_built_in_set_are_the_same_workload() -> None:
    images, labels = np.zeros((40, 28, 28, 1), np.uint8), np.arange(40) % 10
    own = Dataset(train_inputs=images, train_labels=labels, test_inputs=images, test_labels=labels)
    plan = make_plan(
        Study(
            name="own",
            base=Trial(dataset="mine", batch_size=20, max_lr=0.1),
            arms={"a": Arm(policy="constant")},
            budget=iterations(50),
            datasets={"mine": own},
        )
    )
    trial = plan.cells[0].trainings[0].settings()
    assert workload(trial, facts_of(plan)) == key(dataset="mnist")


def test_the_row_of_a_trial_has_its_workload() -> None:
    facts, trial = facts_and_trial()
    assert workload(row(0.1), facts) == workload(trial, facts)


def test_the_probe_count_is_that_of_the_evaluation() -> None:
    assert vars(pace)["PROBE_COUNT"] == vars(samples)["PROBE_COUNT"] == PROBE_COUNT


@pytest.mark.parametrize("steps", [1, 2, 7, 64, 65, 1000])
@pytest.mark.parametrize("interval", [1, 2, 3, 16, 50, 10**6])
def test_samples_are_counted_row_by_row(steps: int, interval: int) -> None:
    settings = {
        "data_count": 100,
        "validation_fraction": 0.2,
        "steps": steps,
        "eval_interval": interval,
        "eval_count": 10,
    }
    rows = len(row_steps(steps, interval)) - 1
    # Each row: held-out samples twice, training samples once. At the end: 20 held out, 80 seen.
    expected = rows * 3 * 10 + (2 * 20 + 80) + 3 * 80
    assert evaluated_samples(settings, 999) == expected


def test_without_held_out_labels_the_test_set_is_evaluated() -> None:
    settings = {
        "data_count": 50_000,
        "validation_fraction": 0.0,
        "steps": 10,
        "eval_interval": 10,
        "eval_count": 1000,
    }
    rows = len(row_steps(10, 10)) - 1
    assert evaluated_samples(settings, 10_000) == rows * 3000 + 2 * 10_000 + 4 * PROBE_COUNT


def test_a_pace_is_the_mean_over_all_steps_and_the_middle_of_the_trials() -> None:
    facts, trial = facts_and_trial()
    rows = [row(0.010), row(0.020), row(0.060, steps_done=100, train_seconds=6.0)]
    found = measured_paces(rows, facts)[workload(trial, facts)]
    assert found.step.likely == pytest.approx((50 * 0.01 + 50 * 0.02 + 100 * 0.06) / 200)
    assert found.step.low == pytest.approx(0.012)
    assert found.step.high == pytest.approx(0.052)
    assert found.sample.likely == pytest.approx(1e-4)
    assert found.source == "measured by 3 trials on A processor, 1 thread"


def test_trials_that_diverged_count_with_the_steps_that_they_took() -> None:
    facts, trial = facts_and_trial()
    early = row(0.1, status="diverged", steps_done=5, train_seconds=0.5, eval_seconds=99.0)
    found = measured_paces([early], facts)[workload(trial, facts)]
    assert found.step == pytest.approx((0.1, 0.1, 0.1))
    assert found.sample.likely == 0.0


def test_machines_are_not_mixed() -> None:
    facts, trial = facts_and_trial()
    gpu: dict[str, Any] = {"device": "A GPU", "threads": 1, "peak_gpu_memory_bytes": 5}
    rows = [row(0.1), row(0.001, **gpu), row(0.001, **gpu)]
    found = measured_paces(rows, facts)[workload(trial, facts)]
    assert found.step.likely == pytest.approx(0.001)
    assert found.on_gpu
    assert "A GPU" in found.source
    # Hardware that knows more workloads comes before hardware with more trials.
    both = [*rows, {**row(0.2), "batch_size": 40}]
    assert not measured_paces(both, facts)[workload(trial, facts)].on_gpu


def test_a_given_rate_counts_evaluations_as_a_third() -> None:
    given = Pace.at_rate(1000, batch_size=50)
    assert given.step == Spread.exactly(0.05)
    assert given.sample.likely == pytest.approx(1 / 3000)
    assert given.described() == "50 ms a step, at the given 1,000 images/s"
