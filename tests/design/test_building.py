from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superconv_ray.data.catalog import DATASETS
from superconv_ray.data.subsets import limited_subset
from superconv_ray.design.budget import Budget, epochs, iterations, samples
from superconv_ray.design.building import RANGE_TEST_EVAL_COUNT, make_plan
from superconv_ray.design.choices import Tuning, from_range_test, tuned
from superconv_ray.design.plan import Plan
from superconv_ray.design.study import Arm
from superconv_ray.design.sweep import grid
from superconv_ray.design.trial import Trial
from tests.design.made import base, error, range_tests_of, study, the_cell

ROOT = Path(__file__).parents[2]


def test_sweep_overrides_base_and_arm_overrides_base() -> None:
    cell = the_cell(
        base=base(dropout=0.1, augment="flip", weight_decay=1e-4),
        sweep=grid(dropout=(0.5,)),
        arms={"a": Arm(augment="crop")},
    )
    trial = cell.trainings[0]
    assert (trial.dropout, trial.augment, trial.weight_decay) == (0.5, "crop", 1e-4)


def test_trainings_of_a_plan_are_complete() -> None:
    for trial in the_cell(base=base(weight_decay=1e-4)).trainings:
        assert trial.complete() == trial
        assert (trial.steps, trial.eval_interval, trial.momentum) == (400, 20, 0.9)


def test_all_arms_share_seeds_subsets_and_budget_at_every_point() -> None:
    plan = make_plan(
        study(
            arms={
                "a": Arm(max_lr=from_range_test()),
                "b": Arm(policy="piecewise"),
                "c": Arm(policy="cosine", optimizer="adam"),
            },
            sweep=grid(data_fraction=(0.1, 1.0)),
            seeds=(4, 9, 2),
        )
    )
    for cell in plan.cells:
        assert [trial.seed for trial in cell.templates] == [4, 9, 2]
        complete = cell.trainings_with(max_lr=1.0) if cell.reading else cell.trainings
        assert [trial.subset_seed for trial in complete] == [4, 9, 2]
        assert {trial.steps for trial in complete} == {400}
        if cell.reading:
            assert [test.subset_seed for test in range_tests_of(cell)] == [4, 9, 2]
    by_point = {
        tuple(cell.point.items()): {trial.data_count for trial in cell.templates}
        for cell in plan.cells
    }
    assert by_point == {(("data_fraction", 0.1),): {5000}, (("data_fraction", 1.0),): {50_000}}


def test_one_subset_can_be_shared_by_all_seeds() -> None:
    cell = the_cell(base=base(subset_seed=3))
    assert [(trial.seed, trial.subset_seed) for trial in cell.trainings] == [(0, 3), (1, 3)]


@given(st.permutations(["a", "b", "c"]))
def test_the_order_of_arms_changes_no_trial(order: list[str]) -> None:
    arms = {
        "a": Arm(),
        "b": Arm(policy="cosine"),
        "c": Arm(policy="triangular", max_lr=from_range_test()),
    }
    plan = make_plan(study(arms={name: arms[name] for name in order}))
    assert set(ids_by_hand(plan)) == set(ids_by_hand(make_plan(study(arms=arms))))


def ids_by_hand(plan: Plan) -> list[str]:
    found = []
    for cell in plan.cells:
        found += [trial.id for trial in range_tests_of(cell)]
        found += [
            t.id for t in (cell.trainings_with(max_lr=0.5) if cell.reading else cell.trainings)
        ]
    return found


# Counts and budgets


@pytest.mark.parametrize(
    ("dataset", "asked", "count", "fraction"),
    [
        ("cifar10", {}, 50_000, 1.0),
        ("cifar10", {"data_fraction": 0.01}, 500, 0.01),
        ("digits", {"data_fraction": 0.1}, 144, 0.1),  # 143.7
        ("digits", {"data_fraction": 0.05}, 72, 0.05),  # 71.85
        ("cifar10", {"data_count": 500}, 500, 0.01),
        ("fashion_mnist", {"data_fraction": 0.005}, 300, 0.005),
    ],
)
def test_limited_labels_are_counted(
    dataset: str, asked: dict[str, Any], count: int, fraction: float
) -> None:
    trial = the_cell(base=base(dataset=dataset, **asked)).trainings[0]
    assert (trial.data_count, trial.data_fraction) == (count, fraction)


def test_a_count_and_a_fraction_of_the_same_labels_give_the_same_trial() -> None:
    by_count = the_cell(base=base(data_count=144, dataset="digits"))
    by_fraction = the_cell(base=base(data_fraction=0.1, dataset="digits"))
    assert [t.id for t in by_count.trainings] == [t.id for t in by_fraction.trainings]


@pytest.mark.parametrize(
    ("budget", "held_out", "steps"),
    [  # of 500 labels, 50 a class; a fifth of them is 10 a class, which leaves 400
        (iterations(2000), 0.0, 2000),
        (iterations(2000), 0.2, 2000),
        (epochs(3), 0.0, 47),  # 1500 / 32
        (epochs(3), 0.2, 38),  # 1200 / 32
        (samples(1000), 0.0, 32),  # 31.25
        (samples(1000), 0.2, 32),
    ],
)
def test_a_budget_counts_the_labels_left_for_training(
    budget: Budget, held_out: float, steps: int
) -> None:
    limited = base(data_count=500, validation_fraction=held_out)
    assert {t.steps for t in the_cell(base=limited, budget=budget).trainings} == {steps}


def test_epochs_scale_with_the_labels_and_iterations_do_not() -> None:
    sweep = grid(data_count=(500, 5000))
    for budget, steps in ((epochs(2), [32, 313]), (iterations(77), [77, 77])):
        plan = make_plan(study(sweep=sweep, budget=budget))
        assert [cell.trainings[0].steps for cell in plan.cells] == steps


# Range tests


@pytest.mark.parametrize(
    ("budget", "reading", "steps", "interval"),
    [
        (iterations(2000), from_range_test(), 500, 10),  # a quarter; 50 points
        (iterations(300), from_range_test(), 200, 4),  # 75, but 200 at least
        (iterations(300), from_range_test(steps=60), 60, 1),
        (iterations(300), from_range_test(steps=20), 20, 1),
        (iterations(4000), from_range_test(points=10), 1000, 100),
        (epochs(80), from_range_test(), 250, 5),  # 80 * 400 / 32 = 1,000, of which a quarter
        (epochs(120), from_range_test(validation_fraction=0.5), 234, 4),  # 937.5 up to 938
    ],
)
def test_a_range_test_takes_a_quarter_of_the_budget(
    budget: Budget, reading: Any, steps: int, interval: int
) -> None:
    cell = the_cell(base=base(data_count=500), budget=budget, arms={"a": Arm(max_lr=reading)})
    assert {(t.steps, t.eval_interval) for t in range_tests_of(cell)} == {(steps, interval)}


def test_a_range_test_differs_from_its_training_only_in_schedule_and_measurement() -> None:
    cell = the_cell(
        base=base(data_count=500, weight_decay=1e-4, dropout=0.1, augment="flip", eval_count=50),
        arms={"a": Arm(max_lr=from_range_test(high=2.0))},
    )
    for test, training in zip(range_tests_of(cell), cell.trainings_with(max_lr=0.5), strict=True):
        differing = {
            f.name for f in fields(Trial) if getattr(test, f.name) != getattr(training, f.name)
        }
        assert differing == {
            *("seed", "policy", "max_lr", "start_lr", "steps"),
            *("div_factor", "final_div_factor", "tail_fraction", "tail"),
            *("peak_fraction", "anneal", "cycle_end"),
            *("validation_fraction", "eval_interval", "eval_count"),
        }
        assert test.eval_count == RANGE_TEST_EVAL_COUNT
        assert (test.policy, test.max_lr) == ("range_test_exponential", 2.0)
        assert test.complete() == test


@pytest.mark.parametrize(
    ("arm", "momentum", "min_momentum"),
    [
        (Arm(), 0.9, None),
        (Arm(momentum=0.95, min_momentum=0.85), 0.95, 0.85),
        (Arm(policy="cosine"), 0.9, None),
        (Arm(policy="triangular", momentum=0.8, min_momentum=0.7), 0.8, 0.7),
    ],
)
def test_a_range_test_has_the_momentum_of_its_training(
    arm: Arm, momentum: float, min_momentum: float | None
) -> None:
    cell = the_cell(arms={"a": Arm(**arm.settings, max_lr=from_range_test())})
    assert {(t.momentum, t.min_momentum) for t in range_tests_of(cell)} == {
        (momentum, min_momentum)
    }


@pytest.mark.parametrize(
    ("reading", "policy", "low", "high"),
    [
        (from_range_test(), "range_test_exponential", 1e-4, 10.0),
        (from_range_test(low=1e-3, high=1.0), "range_test_exponential", 1e-3, 1.0),
        (from_range_test(scale="linear"), "range_test_linear", 0.0, 3.0),
    ],
)
def test_a_range_test_covers_the_requested_range(
    reading: Any, policy: str, low: float, high: float
) -> None:
    test = range_tests_of(the_cell(arms={"a": Arm(max_lr=reading)}))[0]
    assert (test.policy, test.start_lr, test.max_lr) == (policy, low, high)


def test_range_tests_have_seeds_of_their_own() -> None:
    cell = the_cell(arms={"a": Arm(max_lr=from_range_test())}, seeds=(4, 9))
    assert [test.seed for test in range_tests_of(cell)] == [2**30, 2**30 + 1]
    shared = base(subset_seed=3)
    cell = the_cell(base=shared, arms={"a": Arm(max_lr=from_range_test())}, seeds=(4, 9))
    assert [test.subset_seed for test in range_tests_of(cell)] == [3, 3]
    assert error(arms={"a": Arm(max_lr=from_range_test())}, seeds=(0, 2**30)) == (
        "arm 'a': seeds must be < 1073741824 with from_range_test(), got 1073741824"
    )


@pytest.mark.parametrize("fraction", [0.02, 0.1, 1.0])
def test_range_tests_hold_out_limited_labels_and_never_use_test_labels(fraction: float) -> None:
    cell = the_cell(
        base=Trial(dataset="digits", batch_size=8, data_fraction=fraction),
        arms={"a": Arm(max_lr=from_range_test(validation_fraction=0.5))},
    )
    labels = np.repeat(np.arange(10), DATASETS["digits"].train_class_counts)
    for test, training in zip(range_tests_of(cell), cell.trainings_with(max_lr=1.0), strict=True):
        assert test.validation_fraction == 0.5  # which makes the loop measure on no test label
        used, limited = (
            limited_subset(
                labels,
                count=trial.data_count or 0,
                seed=trial.subset_seed or 0,
                validation_fraction=trial.validation_fraction,
            )
            for trial in (test, training)
        )
        assert set(used.validation) | set(used.training) == set(limited.training)
        assert not set(used.validation) & set(used.training)
        assert len(limited.validation) == 0


def bn_momenta(plan: Plan) -> list[float | None]:
    return [trial.bn_momentum for cell in plan.cells for trial in cell.trainings[:1]]


def test_bn_momentum_scales_with_the_budget_from_base_sweep_or_arm() -> None:
    assert bn_momenta(make_plan(study(base=base(bn_momentum_steps=20)))) == [20 / 400]
    swept = study(sweep=grid(bn_momentum_steps=(20, 100)))
    assert bn_momenta(make_plan(swept)) == [20 / 400, 100 / 400]
    arms = {"scaled": Arm(bn_momentum_steps=20), "fixed": Arm(bn_momentum=0.001)}
    assert bn_momenta(make_plan(study(arms=arms))) == [20 / 400, 0.001]


def test_a_range_test_scales_the_bn_momentum_to_its_own_length() -> None:
    cell = the_cell(
        base=base(bn_momentum_steps=20), arms={"a": Arm(max_lr=from_range_test(steps=200))}
    )
    assert {test.bn_momentum for test in range_tests_of(cell)} == {20 / 200}
    assert {trial.bn_momentum for trial in cell.trainings_with(max_lr=0.5)} == {20 / 400}


def test_bn_momentum_is_fixed_or_scaled() -> None:
    fixed = base(bn_momentum=0.05)
    assert error(base=fixed, arms={"a": Arm(bn_momentum_steps=500)}) == (
        "arm 'a': set bn_momentum or bn_momentum_steps and leave the other None; got "
        "bn_momentum=0.05 and bn_momentum_steps=500.0"
    )
    # An arm takes back what the base has set
    plan = make_plan(study(base=fixed, arms={"a": Arm(bn_momentum=None, bn_momentum_steps=20)}))
    assert bn_momenta(plan) == [20 / 400]


def test_ghost_batches_divide_the_batch_of_every_cell() -> None:
    assert the_cell(base=base(ghost_batch_size=8)).trainings[0].ghost_batch_size == 8
    assert error(sweep=grid(batch_size=(32, 40)), arms={"a": Arm(ghost_batch_size=16)}) == (
        "arm 'a' at batch_size=40: ghost_batch_size must divide batch_size (40), got 16"
    )


def test_a_sweep_can_mix_given_values_of_max_lr_with_range_tests() -> None:
    plan = make_plan(study(sweep=grid(max_lr=(0.5, from_range_test()))))
    assert [len(range_tests_of(cell)) for cell in plan.cells] == [0, 2]


# Without torch


PLAN = """
import sys
import superconv_ray
from superconv_ray import Arm, Study, Trial, from_range_test, grid, iterations
from superconv_ray.design.building import make_plan

def own_model(*, input_shape, classes, dropout): ...

plan = make_plan(Study(
    name="x",
    base=Trial(dataset="digits", batch_size=8),
    arms={"a": Arm(max_lr=from_range_test()), "b": Arm(policy="piecewise", max_lr=0.1)},
    sweep=grid(data_fraction=(0.05, 1.0)),
    budget=iterations(100),
))
print(sum(map(len, plan.distinct)))
print([name for name in ("torch", "ray", "numpy", "pandas", "pyarrow") if name in sys.modules])
"""


def test_a_plan_is_made_without_importing_torch_or_ray() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PLAN], cwd=ROOT, capture_output=True, text=True, check=True
    )
    # 2 points, 3 seeds: range tests and trainings of a, trainings of b
    assert done.stdout.split("\n")[:2] == ["18", "[]"]


# What is tuned


def test_a_tuned_cell_scores_on_held_out_labels_with_seeds_of_its_own() -> None:
    arms = {"a": Arm(policy="cosine", max_lr=tuned(0.01, 1.0), momentum=tuned(0.5, 0.9, log=False))}
    cell = the_cell(arms=arms, tuning=Tuning(replicates=2, validation_fraction=0.25))
    assert cell.search is not None
    trials = cell.search.trials_at({"max_lr": 0.1, "momentum": 0.8}, None)
    (training, _) = cell.trainings_with(max_lr=0.1, momentum=0.8)
    assert [trial.seed for trial in trials] == [2**30, 2**30 + 1]
    assert {trial.validation_fraction for trial in trials} == {0.25}
    assert training.validation_fraction == 0.0
    for trial in trials:
        held_out = {"seed", "subset_seed", "validation_fraction"}
        same = trial.settings().keys() - held_out
        assert {name: trial.settings()[name] for name in same} == {
            name: training.settings()[name] for name in same
        }


def test_the_search_of_a_seed_uses_its_subset_of_labels_and_has_seeds_of_its_own() -> None:
    arms = {"a": Arm(policy="cosine", max_lr=tuned(0.01, 1.0))}
    search = the_cell(arms=arms, tuning=Tuning(replicates=2)).search
    assert search is not None
    seeds = {
        seed: [(t.seed, t.subset_seed) for t in search.trials_at({"max_lr": 0.1}, seed)]
        for seed in (0, 7)
    }
    assert seeds[0] == [(2**30, 0), (2**30 + 2**20, 0)]
    assert seeds[7] == [(2**30 + 7, 7), (2**30 + 2**20 + 7, 7)]
    largest = search.trials_at({"max_lr": 0.1}, 2**30 - 1)
    assert [trial.seed for trial in largest] == [2**31 - 1, 2**30 + 2**20 - 1]


def test_a_subset_that_all_seeds_share_is_the_searches_subset_too() -> None:
    arms = {"a": Arm(policy="cosine", max_lr=tuned(0.01, 1.0))}
    search = the_cell(arms=arms, base=Trial(dataset="digits", subset_seed=3)).search
    assert search is not None
    for seed in (None, 7):
        assert {t.subset_seed for t in search.trials_at({"max_lr": 0.1}, seed)} == {3}


def test_a_search_knows_how_many_labels_score_it() -> None:
    arms = {"a": Arm(policy="cosine", max_lr=tuned(0.01, 1.0))}
    base = Trial(dataset="digits", data_count=300)
    search = the_cell(arms=arms, base=base, tuning=Tuning(validation_fraction=0.3)).search
    assert search is not None
    assert search.held_out == 89  # 30 % of each class, in whole labels


def test_a_swept_budget_stretches_the_schedules() -> None:
    sweep = grid(budget=(iterations(100), epochs(1)))
    plan = make_plan(study(budget=None, sweep=sweep))
    steps = [cell.trainings[0].steps for cell in plan.cells]
    count, batch = plan.cells[0].trainings[0].data_count, plan.cells[0].trainings[0].batch_size
    assert count
    assert steps == [100, -(-count // batch)]
