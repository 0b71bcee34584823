"""LR range tests from Python: which ones run, and what the returned object says."""

from __future__ import annotations

from typing import Any

from superconv_ray.api.lr_find import default_study, lr_find_study
from superconv_ray.design.budget import iterations
from superconv_ray.design.building import make_plan
from superconv_ray.design.choices import from_range_test
from superconv_ray.design.plan import Plan, range_tests_alone
from superconv_ray.design.study import Arm, Study
from superconv_ray.design.sweep import Sweep, grid
from superconv_ray.design.trial import Trial

STUDY = Study(
    name="mine",
    base=Trial(dataset="digits", batch_size=16, weight_decay=1e-4),
    sweep=grid(data_fraction=(0.1, 0.5)),
    arms={"one_cycle": Arm(max_lr=from_range_test()), "constant": Arm(max_lr=0.1)},
    budget=iterations(800),
    seeds=2,
)


def plan_of(study: Study, seeds: int | None = None, **changes: Any) -> Plan:
    found = lr_find_study(study, changes, from_range_test(), seeds)
    return range_tests_alone(make_plan(found))


def points(study: Study, **changes: Any) -> list[Any]:
    return [dict(cell.point) for cell in plan_of(study, **changes).cells]


def test_a_studys_range_tests_are_those_its_one_cycle_arm_would_run() -> None:
    own = [test.id for cell in make_plan(STUDY).cells for test in cell.range_tests]
    found = plan_of(STUDY)
    assert [trial.id for cell in found.cells for trial in cell.trainings] == own
    assert all(trial.kind == "range_test" for trial in found.distinct_trials())


def test_without_a_study_the_default_trial_is_tested_and_named_after_it() -> None:
    found = plan_of(default_study({}))
    assert found.study.name == "lr_find_digits_small_cnn"
    trials = found.distinct_trials()
    assert [(t.seed, t.steps, t.batch_size) for t in trials] == [(s, 500, 128) for s in range(3)]
    assert default_study({"model": "lenet", "dataset": "mnist"}).name == "mnist_lenet"


def test_changes_are_made_in_the_base_and_left_out_of_the_sweep() -> None:
    assert points(STUDY) == [{"data_fraction": 0.1}, {"data_fraction": 0.5}]
    assert points(STUDY, data_fraction=0.2) == [{}]
    trials = plan_of(STUDY, seeds=1, data_fraction=0.2, batch_size=8).distinct_trials()
    assert [(t.data_fraction, t.batch_size, t.weight_decay) for t in trials] == [(0.2, 8, 1e-4)]


def test_a_fraction_takes_the_place_of_a_count() -> None:
    counted = Study(name="c", sweep=grid(data_count=(100, 200)), budget=iterations(100))
    assert points(counted, data_fraction=0.3) == [{}]


def test_a_swept_max_lr_is_what_is_looked_for() -> None:
    swept = Study(name="s", sweep=grid(max_lr=(0.1, 0.2), dropout=(0, 0.5)), budget=iterations(100))
    assert points(swept) == [{"dropout": 0}, {"dropout": 0.5}]


def test_points_with_the_same_range_tests_are_tested_once() -> None:
    # The tail of a training is no part of its range test.
    tails = Sweep(({"tail_fraction": 0.1}, {"tail_fraction": 0.2}))
    study = Study(name="t", sweep=tails, budget=iterations(100))
    assert points(study) == [{"tail_fraction": 0.1}]
