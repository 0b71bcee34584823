from __future__ import annotations

import functools
import importlib.util
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superconv_ray.data.catalog import DATASETS
from superconv_ray.data.dataset import Dataset
from superconv_ray.data.subsets import limited_subset
from superconv_ray.design.budget import Budget, epochs, iterations, samples
from superconv_ray.design.building import RANGE_TEST_EVAL_COUNT, make_plan
from superconv_ray.design.choices import Tuning, from_range_test, tuned
from superconv_ray.design.plan import Cell, Plan, range_tests_alone
from superconv_ray.design.study import Arm, Study
from superconv_ray.design.sweep import grid, paired
from superconv_ray.design.trial import CompleteTrial, Trial

ROOT = Path(__file__).parents[2]


def study(**changes: Any) -> Study:
    settings: dict[str, Any] = {
        "name": "question",
        "base": Trial(dataset="cifar10", model="resnet20", batch_size=32, max_lr=0.1),
        "budget": iterations(400),
        "seeds": 2,
    }
    return Study(**{**settings, **changes})


def the_cell(**changes: Any) -> Cell:
    (cell,) = make_plan(study(**changes)).cells
    return cell


def base(**settings: Any) -> Trial:
    return replace(study().base, **settings)


def own_data(pixel: int = 0, test_pixel: int = 0) -> Dataset:
    """Five samples of each of two classes; black but for one pixel in each part."""
    train = np.zeros((10, 6, 7), dtype=np.uint8)
    test = np.zeros((4, 6, 7), dtype=np.uint8)
    train[3, 0, 0], test[1, 0, 0] = pixel, test_pixel
    return Dataset(
        train_inputs=train,
        train_labels=np.arange(10) % 2,
        test_inputs=test,
        test_labels=np.arange(4) % 2,
    )


def own_model(*, input_shape: tuple[int, ...], classes: int, dropout: float) -> Any:
    raise NotImplementedError("a plan builds no model")


def ids(plan: Plan) -> list[str]:
    return [t.id for t in plan.distinct_trials() if isinstance(t, CompleteTrial)]


def error(**changes: Any) -> str:
    with pytest.raises((ValueError, TypeError)) as caught:
        make_plan(study(**changes))
    return str(caught.value)


# Cells


def test_cells_are_arms_within_points_in_the_order_of_the_study() -> None:
    arms = {"a": Arm(), "b": Arm(policy="cosine")}
    plan = make_plan(study(arms=arms, sweep=grid(dropout=(0.0, 0.5))))
    assert [(cell.arm, cell.point) for cell in plan.cells] == [
        ("a", {"dropout": 0.0}),
        ("b", {"dropout": 0.0}),
        ("a", {"dropout": 0.5}),
        ("b", {"dropout": 0.5}),
    ]
    assert [cell.trainings[0].dropout for cell in plan.cells] == [0.0, 0.0, 0.5, 0.5]


def test_a_plan_keeps_its_points_with_a_cell_per_arm() -> None:
    arms = {"a": Arm(), "b": Arm(policy="cosine")}
    plan = make_plan(study(arms=arms, sweep=grid(dropout=(0.0, 0.5))))
    assert [point.settings for point in plan.points] == [{"dropout": 0.0}, {"dropout": 0.5}]
    assert [[cell.arm for cell in point.cells] for point in plan.points] == [["a", "b"]] * 2
    assert plan.cells == tuple(cell for point in plan.points for cell in point.cells)


def test_a_cell_is_described_for_messages() -> None:
    assert Cell("a", {}).describe() == "arm 'a'"
    assert Cell("a", {"dropout": 0.5, "seed": 1}).describe() == "arm 'a' at dropout=0.5, seed=1"


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
        assert (trial.steps, trial.eval_interval, trial.momentum) == (400, 20, 0.95)


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
            assert [(test.seed, test.subset_seed) for test in cell.range_tests] == [
                (4, 4),
                (9, 9),
                (2, 2),
            ]
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
        found += [trial.id for trial in cell.range_tests]
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


def test_the_same_labels_asked_for_as_a_count_are_the_same_trial() -> None:
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
def test_budgets_become_steps_of_the_labels_trained_on(
    budget: Budget, held_out: float, steps: int
) -> None:
    limited = base(data_count=500, validation_fraction=held_out)
    assert {t.steps for t in the_cell(base=limited, budget=budget).trainings} == {steps}


def test_a_budget_in_epochs_shrinks_with_the_labels_and_one_in_iterations_does_not() -> None:
    sweep = grid(data_count=(500, 5000))
    for budget, steps in ((epochs(2), [32, 313]), (iterations(77), [77, 77])):
        plan = make_plan(study(sweep=sweep, budget=budget))
        assert [cell.trainings[0].steps for cell in plan.cells] == steps


# Range tests


@pytest.mark.parametrize(
    ("budget", "reading", "steps", "interval"),
    [
        (iterations(2000), from_range_test(), 500, 10),  # a quarter; 50 points
        (iterations(300), from_range_test(), 100, 2),  # 75, but 100 at least
        (iterations(300), from_range_test(steps=60), 60, 1),
        (iterations(300), from_range_test(steps=20), 20, 1),
        (iterations(4000), from_range_test(points=10), 1000, 100),
        (epochs(60), from_range_test(), 187, 3),  # 60 * 400 / 32 = 750, of which a quarter
        (epochs(60), from_range_test(validation_fraction=0.5), 117, 2),  # 468.75 up to 469
    ],
)
def test_a_range_test_takes_a_quarter_of_the_budget(
    budget: Budget, reading: Any, steps: int, interval: int
) -> None:
    cell = the_cell(base=base(data_count=500), budget=budget, arms={"a": Arm(max_lr=reading)})
    assert {(t.steps, t.eval_interval) for t in cell.range_tests} == {(steps, interval)}


def test_a_range_test_differs_from_its_training_in_schedule_and_measurement_alone() -> None:
    cell = the_cell(
        base=base(data_count=500, weight_decay=1e-4, dropout=0.1, augment="flip", eval_count=50),
        arms={"a": Arm(max_lr=from_range_test(high=2.0))},
    )
    for test, training in zip(cell.range_tests, cell.trainings_with(max_lr=0.5), strict=True):
        differing = {
            f.name for f in fields(Trial) if getattr(test, f.name) != getattr(training, f.name)
        }
        assert differing == {
            *("policy", "max_lr", "start_lr", "steps"),
            *("div_factor", "final_div_factor", "tail_fraction", "tail"),
            *("validation_fraction", "eval_interval", "eval_count"),
        }
        assert test.eval_count == RANGE_TEST_EVAL_COUNT
        assert (test.policy, test.max_lr, test.start_lr) == ("range_test_linear", 2.0, 0.0)
        assert test.complete() == test


@pytest.mark.parametrize(
    ("arm", "momentum", "min_momentum"),
    [
        (Arm(), 0.95, 0.85),
        (Arm(policy="cosine"), 0.9, None),
        (Arm(policy="triangular", momentum=0.8, min_momentum=0.7), 0.8, 0.7),
    ],
)
def test_a_range_test_has_the_momentum_of_its_training(
    arm: Arm, momentum: float, min_momentum: float | None
) -> None:
    cell = the_cell(arms={"a": Arm(**arm.settings, max_lr=from_range_test())})
    assert {(t.momentum, t.min_momentum) for t in cell.range_tests} == {(momentum, min_momentum)}


def test_an_exponential_range_test_has_the_ends_asked_for() -> None:
    reading = from_range_test(scale="exponential", low=1e-4, high=1.0)
    test = the_cell(arms={"a": Arm(max_lr=reading)}).range_tests[0]
    assert (test.policy, test.start_lr, test.max_lr) == ("range_test_exponential", 1e-4, 1.0)


@pytest.mark.parametrize("fraction", [0.02, 0.1, 1.0])
def test_range_tests_hold_out_limited_labels_and_see_no_test_label(fraction: float) -> None:
    cell = the_cell(
        base=Trial(dataset="digits", batch_size=8, data_fraction=fraction),
        arms={"a": Arm(max_lr=from_range_test(validation_fraction=0.5))},
    )
    labels = np.repeat(np.arange(10), DATASETS["digits"].train_class_counts)
    for test, training in zip(cell.range_tests, cell.trainings_with(max_lr=1.0), strict=True):
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
    assert {test.bn_momentum for test in cell.range_tests} == {20 / 200}
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


def test_trainings_wait_for_their_max_lr_alone() -> None:
    cell = the_cell(arms={"a": Arm(max_lr=from_range_test())})
    assert [trial.max_lr for trial in cell.templates] == [None, None]
    with pytest.raises(ValueError, match=r"^arm 'a' has yet to choose max_lr$"):
        _ = cell.trainings
    assert [trial.max_lr for trial in cell.trainings_with(max_lr=0.7)] == [0.7, 0.7]
    given = the_cell(arms={"a": Arm(max_lr=0.7)})
    assert cell.trainings_with(max_lr=0.7) == given.trainings


def test_range_tests_alone_are_each_tested_once_and_followed_by_no_training() -> None:
    arms = {
        "tested": Arm(max_lr=from_range_test()),
        "given": Arm(max_lr=0.2),
        "longer_tail": Arm(max_lr=from_range_test(), tail_fraction=0.3),
    }
    plan = make_plan(study(arms=arms, sweep=grid(dropout=(0.0, 0.5))))
    alone = range_tests_alone(plan)
    assert [(cell.arm, cell.point["dropout"]) for cell in alone.cells] == [
        ("tested", 0.0),
        ("tested", 0.5),
    ]
    assert [(point.settings, len(point.cells)) for point in alone.points] == [
        ({"dropout": 0.0}, 1),
        ({"dropout": 0.5}, 1),
    ]
    assert [cell.trainings for cell in alone.cells] == [
        plan.cells[0].range_tests,
        plan.cells[3].range_tests,
    ]
    assert not any(cell.range_tests or cell.reading for cell in alone.cells)


def test_a_point_without_range_tests_of_its_own_is_left_out() -> None:
    # The tail is no setting of a range test, so both points have the same ones.
    arms = {"a": Arm(max_lr=from_range_test()), "b": Arm(max_lr=from_range_test(high=1.0))}
    plan = make_plan(study(arms=arms, sweep=grid(tail=("step", "linear"))))
    (point,) = range_tests_alone(plan).points
    assert [cell.arm for cell in point.cells] == ["a", "b"]


def test_arms_with_equal_range_tests_share_them() -> None:
    plan = make_plan(
        study(
            arms={
                "a": Arm(policy="cosine", max_lr=from_range_test()),
                "b": Arm(policy="linear", max_lr=from_range_test()),
                "c": Arm(policy="linear", max_lr=0.1),
            }
        )
    )
    a, b, _ = plan.cells
    assert a.range_tests == b.range_tests
    # two range tests, and two trainings of each arm
    assert len(plan.distinct_trials()) == 8


def test_max_lr_can_be_swept_between_given_and_read() -> None:
    plan = make_plan(study(sweep=grid(max_lr=(0.5, from_range_test()))))
    assert [len(cell.range_tests) for cell in plan.cells] == [0, 2]


# Mistakes


def test_an_unknown_field_is_named_with_the_nearest() -> None:
    message = error(arms={"a": Arm(droput=0.1)})
    assert message.startswith(
        "arm 'a': Arm(...): 'droput' is not a field of a trial; did you mean 'dropout'? Fields: "
    )
    message = error(sweep=grid(data_fractions=(0.1,)))
    assert message.startswith(
        "arm 'one_cycle' at data_fractions=0.1: sweep: 'data_fractions' is not a field of a trial; "
        "did you mean 'data_fraction'?"
    )


def test_an_impossible_value_is_named_with_its_cell() -> None:
    assert error(sweep=grid(data_fraction=(0.1, 1.5))) == (
        "arm 'one_cycle' at data_fraction=1.5: data_fraction must be in (0, 1], got 1.5"
    )
    assert error(arms={"a": Arm(batch_size="large")}) == (
        "arm 'a': batch_size must be of type int, got 'large'"
    )


def test_a_fraction_that_leaves_a_class_without_a_sample_is_rejected() -> None:
    # The keys of 5 labels are those of the first five classes.
    assert error(base=base(data_count=5, batch_size=1)) == (
        "arm 'one_cycle': data_fraction must leave every class a training sample, but 5 of 50000 "
        "labels of 'cifar10' (data_fraction=0.0001, validation_fraction=0) leave none to "
        "classes [5, 6, 7, 8, 9]"
    )


def test_a_class_without_a_validation_sample_is_rejected() -> None:
    # 45 labels: 5 of classes 0-4 and 4 of the others; a fifth of 4 is no whole sample
    reading = {"a": Arm(max_lr=from_range_test(validation_fraction=0.2))}
    assert "leave every class a validation sample, but 45 of 50000" in error(
        base=base(data_count=45, batch_size=1), arms=reading
    )
    assert the_cell(base=base(data_count=50, batch_size=1), arms=reading).range_tests


def test_a_batch_larger_than_the_subset_is_rejected() -> None:
    assert the_cell(base=base(data_count=50, batch_size=50))
    assert error(base=base(data_count=50, batch_size=51)) == (
        "arm 'one_cycle': batch_size must be <= 50, the training samples in 50 of 50000 labels of "
        "'cifar10' (data_fraction=0.001, validation_fraction=0), got 51"
    )


def test_a_batch_larger_than_what_the_range_test_trains_on_is_rejected() -> None:
    reading = {"a": Arm(max_lr=from_range_test())}  # of 5 labels a class one is held out
    assert the_cell(base=base(data_count=50, batch_size=40), arms=reading)
    assert error(base=base(data_count=50, batch_size=41), arms=reading) == (
        "arm 'a': batch_size must be <= 40, the training samples in 50 of 50000 labels of "
        "'cifar10' (data_fraction=0.001, validation_fraction=0.2), got 41"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Arm(max_lr=0.1), Arm()),
        (Arm(max_lr=1), Arm(max_lr=1.0)),
        (Arm(momentum=0.95), Arm(div_factor=10)),
        (Arm(tail="step"), Arm(eval_interval=20)),
        (Arm(weight_decay=0), Arm(weight_decay=-0.0)),
        (Arm(max_lr=from_range_test()), Arm(max_lr=from_range_test(high=3))),
        (Arm(optimizer="adam"), Arm(optimizer="adam", beta2=0.999)),
        (Arm(data_fraction=0.01), Arm(data_count=500)),
    ],
)
def test_two_arms_that_are_the_same_trials_are_rejected(one: Arm, other: Arm) -> None:
    assert error(arms={"a": one, "x": Arm(policy="inv"), "b": other}) == (
        "arm 'b': the same trials as arm 'a'; remove one, or let them differ in a field that their "
        "policy uses"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Arm(max_lr=3.0), Arm(max_lr=from_range_test(high=3.0))),
        (Arm(max_lr=from_range_test()), Arm(max_lr=from_range_test(points=20))),
        (Arm(max_lr=from_range_test()), Arm(max_lr=from_range_test(), tail="linear")),
    ],
)
def test_arms_that_may_differ_are_not_rejected(one: Arm, other: Arm) -> None:
    assert len(make_plan(study(arms={"a": one, "b": other})).cells) == 2


def test_arms_that_the_sweep_makes_equal_are_rejected() -> None:
    arms = {"a": Arm(weight_decay_on="all"), "b": Arm(weight_decay_on="weights")}
    assert len(make_plan(study(arms=arms, sweep=grid(weight_decay=(1e-4,)))).cells) == 2
    assert error(arms=arms, sweep=grid(weight_decay=(1e-4, 0))).startswith(
        "arm 'b' at weight_decay=0: the same trials as arm 'a'"
    )


@pytest.mark.parametrize(
    ("sweep", "points"),
    [
        (grid(dropout=(0.1, 0.1)), "{'dropout': 0.1} and {'dropout': 0.1}"),
        (
            grid(data_fraction=(0.01, 0.010001)),  # 500 labels of 50,000, and 500.05
            "{'data_fraction': 0.01} and {'data_fraction': 0.010001}",
        ),
        (paired(cycles=(1, 2)), "{'cycles': 1} and {'cycles': 2}"),  # 1cycle has no cycles
    ],
)
def test_two_points_that_are_the_same_trials_are_rejected(sweep: Any, points: str) -> None:
    # They would be counted as twice as many replicates.
    assert error(sweep=sweep) == (
        f"sweep: the points {points} are the same trials for every arm; remove one"
    )


def test_a_point_may_be_the_same_for_some_of_the_arms() -> None:
    arms = {"a": Arm(), "b": Arm(policy="piecewise")}
    plan = make_plan(study(arms=arms, sweep=grid(tail=("step", "linear"))))
    assert plan.cells[1].trainings == plan.cells[3].trainings
    assert len(plan.distinct_trials()) == 6


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"dataset": "cifar-10"}, "got 'cifar-10'; did you mean 'cifar10'?"),
        ({"dataset": "imagenet22k"}, "got 'imagenet22k'"),
    ],
)
def test_an_unknown_data_set_is_answered_with_the_known_ones(
    settings: dict[str, Any], expected: str
) -> None:
    assert error(base=base(**settings), datasets={"mine": own_data()}) == (
        "arm 'one_cycle': dataset must be one of 'digits', 'mnist', 'fashion_mnist', 'cifar10', "
        f"'cifar100', 'mine' or given to the study as datasets={{...}}, {expected}"
    )


def test_an_unknown_model_is_answered_with_the_known_ones() -> None:
    message = error(base=base(model="resnet-20"), models={"mine": own_model})
    assert message.startswith("arm 'one_cycle': model must be one of 'lenet', 'resnet20',")
    assert message.endswith(
        "'mine' or given to the study as models={...}, got 'resnet-20'; did you mean 'resnet20'?"
    )


def test_images_too_small_for_the_model_are_rejected() -> None:
    assert error(base=base(dataset="digits", model="lenet")) == (
        "arm 'one_cycle': model 'lenet' needs images of at least 13 x 13 pixels, but those of "
        "dataset 'digits' are 8 x 8"
    )


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        (
            Arm(policy="piecewise", div_factor=5),
            "arm 'a': 'div_factor' is set by the arm but not used with policy 'piecewise', which ",
        ),
        (Arm(cycles=2), "arm 'a': 'cycles' is set by the arm but not used with policy 'one_cycle'"),
        (
            Arm(beta2=0.9),
            "arm 'a': 'beta2' is set by the arm but not used with optimizer 'sgd'",
        ),
        (
            Arm(weight_decay_on="all"),
            "arm 'a': 'weight_decay_on' is set by the arm but not used with weight_decay 0.0",
        ),
    ],
)
def test_an_arm_sets_nothing_that_it_does_not_use(arm: Arm, message: str) -> None:
    assert error(arms={"a": arm}).startswith(message)


def test_an_arm_that_sets_what_its_policy_does_not_use_is_told_what_it_uses() -> None:
    message = error(arms={"a": Arm(policy="piecewise", div_factor=5)})
    assert message.endswith(", which uses max_lr, milestones, decay_factor, momentum")


def test_a_setting_that_only_some_points_use_is_the_arms_own_business() -> None:
    arms = {"a": Arm(weight_decay_on="weights"), "b": Arm(policy="cosine")}
    assert len(make_plan(study(arms=arms, sweep=grid(weight_decay=(0, 1e-4)))).cells) == 4


def test_sweep_and_arm_do_not_set_the_same_field() -> None:
    assert error(sweep=grid(max_lr=(0.1,)), arms={"a": Arm(max_lr=0.2)}) == (
        "arm 'a' at max_lr=0.1: 'max_lr' is set by the sweep and by the arm; choose one"
    )


def test_labels_are_limited_by_fraction_or_by_count() -> None:
    assert error(base=base(data_fraction=0.1), sweep=grid(data_count=(100,))) == (
        "arm 'one_cycle' at data_count=100: set data_fraction or data_count, not both; got "
        "data_fraction=0.1 and data_count=100"
    )


def test_there_are_no_more_labels_than_the_data_set_has() -> None:
    assert the_cell(base=base(data_count=50_000))
    assert error(base=base(data_count=50_001)) == (
        "arm 'one_cycle': data_count must be <= 50000, the training set of 'cifar10', got 50001"
    )


SET_BY_STUDY = {
    "seed": (1, "set the study's seeds instead"),
    "steps": (100, "set the study's budget instead"),
    "dataset_digest": ("0123", "it is computed from the study's datasets"),
    "model_digest": ("0123", "it is computed from the study's models"),
}


@pytest.mark.parametrize("field", SET_BY_STUDY)
def test_what_the_study_works_out_cannot_be_set(field: str) -> None:
    value, instead = SET_BY_STUDY[field]
    changed: dict[str, Any] = {field: value}
    expected = f"{field!r} cannot be set, {instead}; got "
    assert error(arms={"a": Arm(**changed)}) == f"arm 'a': {expected}{value!r}"
    assert error(sweep=grid(**{field: (value,)})).endswith(f": {expected}{value!r}")
    assert error(base=base(**changed)) == f"base: {expected}{field}={value!r}"


def test_arms_do_not_choose_their_own_subsets() -> None:
    assert error(arms={"a": Arm(subset_seed=1)}) == (
        "arm 'a': 'subset_seed' must be the same for all arms; set it in base or sweep; got 1"
    )
    plan = make_plan(study(sweep=grid(subset_seed=(1, 2))))
    assert [cell.trainings[0].subset_seed for cell in plan.cells] == [1, 2]


def test_a_missing_max_lr_is_found_before_anything_runs() -> None:
    assert error(base=replace(study().base, max_lr=None)) == (
        "arm 'one_cycle': max_lr must be set before a trial can run, got None"
    )


def test_a_mistake_that_would_show_after_the_range_tests_is_found_before_them() -> None:
    arms = {"a": Arm(max_lr=from_range_test(), momentum=0.8)}
    assert "min_momentum must be <= momentum (0.8), got 0.85" in error(arms=arms)


@pytest.mark.parametrize(
    ("reading", "message"),
    [
        (from_range_test(steps=0), "steps must be an integer in [1, 2**63), got 0"),
        (from_range_test(high=-1), "max_lr must be finite and > 0, got -1.0"),
        (from_range_test(low=3.0), "start_lr must be < max_lr (3.0), got 3.0"),
    ],
)
def test_an_impossible_range_test_is_rejected(reading: Any, message: str) -> None:
    assert error(arms={"a": Arm(max_lr=reading)}) == f"arm 'a': {message}"


def test_seeds_that_no_trial_can_have_are_rejected() -> None:
    assert error(seeds=(-1,)) == "arm 'one_cycle': seed must be an integer in [0, 2**31), got -1"


# The user's own data and models


def own(**changes: Any) -> Study:
    return study(
        **{
            "base": Trial(dataset="mine", model="my_net", batch_size=2, max_lr=0.1),
            "datasets": {"mine": own_data()},
            "models": {"my_net": own_model},
            **changes,
        }
    )


def test_own_data_and_models_are_planned_like_built_in_ones() -> None:
    plan = make_plan(own(budget=epochs(3)))
    trial = plan.cells[0].trainings[0]
    assert (trial.dataset, trial.data_count, trial.steps) == ("mine", 10, 15)
    assert trial.dataset_digest == own_data().digest()
    assert trial.model_digest is not None
    assert plan.datasets["mine"].train_class_counts == (5, 5)


def test_built_in_data_and_models_have_no_digest() -> None:
    trial = the_cell(datasets={"mine": own_data()}, models={"my_net": own_model}).trainings[0]
    assert (trial.dataset_digest, trial.model_digest) == (None, None)


def test_a_function_that_loads_the_data_gives_the_same_ids() -> None:
    assert ids(make_plan(own(datasets={"mine": own_data}))) == ids(make_plan(own()))


@pytest.mark.parametrize("edited", [own_data(pixel=1), own_data(test_pixel=1)])
def test_editing_the_data_changes_the_ids(edited: Dataset) -> None:
    assert not set(ids(make_plan(own(datasets={"mine": edited})))) & set(ids(make_plan(own())))


MODEL_SOURCE = """
WIDTH = 8

class Net:
    def __init__(self, *, input_shape, classes, dropout):
        self.layers = 3

def build(*, input_shape, classes, dropout):
    return Net(input_shape=input_shape, classes=classes, dropout=dropout)
"""


def model_from(path: Path, source: str, name: str) -> Callable[..., Any]:
    path.write_text(source)
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[path.stem] = module  # where inspect looks for the source of a class
    specification.loader.exec_module(module)
    model: Callable[..., Any] = getattr(module, name)
    return model


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [("Net", "layers = 3", "layers = 4"), ("build", "dropout=dropout)", ")")],
)
def test_editing_a_models_source_changes_the_ids_and_editing_what_is_around_it_does_not(
    tmp_path: Path, name: str, old: str, new: str
) -> None:
    def plan_ids(file: str, source: str) -> list[str]:
        model = model_from(tmp_path / f"{file}.py", source, name)
        return ids(make_plan(own(models={"my_net": model})))

    before = plan_ids("own_model_before", MODEL_SOURCE)
    assert plan_ids("own_model_moved", MODEL_SOURCE.replace("WIDTH = 8", "")) == before
    edited = plan_ids("own_model_edited", MODEL_SOURCE.replace(old, new))
    assert not set(edited) & set(before)


@pytest.mark.parametrize("model", [functools.partial(own_model, dropout=0.1), len, "my_net"])
def test_a_model_whose_source_cannot_be_read_is_rejected(model: Any) -> None:
    # Its id would stay when it is edited, and old results would pass for new ones.
    assert error(**vars(own(models={"my_net": model}))).startswith(
        "models: 'my_net' must be a function or class whose source can be read, because trial ids "
    )


@pytest.mark.parametrize("data", [(np.zeros(3), np.zeros(3)), lambda: [1, 2]])
def test_data_that_are_no_data_set_are_rejected(data: Any) -> None:
    assert error(**vars(own(datasets={"mine": data}))).startswith(
        "datasets: 'mine' must be a Dataset or a function that returns one, got "
    )


def test_built_in_models_and_augmentation_need_images() -> None:
    vectors = Dataset(
        train_inputs=np.zeros((10, 5), dtype=np.float32),
        train_labels=np.arange(10) % 2,
        test_inputs=np.zeros((2, 5), dtype=np.float32),
        test_labels=np.arange(2),
    )
    features = {"datasets": {"mine": vectors}}
    assert make_plan(own(**features)).cells
    assert error(**vars(own(**features, base=replace(own().base, model="lenet")))) == (
        "arm 'one_cycle': model 'lenet' needs images, but dataset 'mine' holds vectors of 5 "
        "features; use a model of your own and augment='none'"
    )
    assert "augment 'flip' needs images" in error(
        **vars(own(**features, base=replace(own().base, augment="flip")))
    )


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
print(len(plan.distinct_trials()))
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
    trials = cell.search.trials_at({"max_lr": 0.1, "momentum": 0.8})
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


def test_a_swept_budget_stretches_the_schedules() -> None:
    sweep = grid(budget=(iterations(100), epochs(1)))
    plan = make_plan(study(budget=None, sweep=sweep))
    steps = [cell.trainings[0].steps for cell in plan.cells]
    count, batch = plan.cells[0].trainings[0].data_count, plan.cells[0].trainings[0].batch_size
    assert count
    assert steps == [100, -(-count // batch)]


@pytest.mark.parametrize(
    ("arm", "base_changes", "message"),
    [
        (
            Arm(max_lr=from_range_test(), weight_decay=tuned(1e-5, 1e-2)),
            {},
            (
                "max_lr=from_range_test() and weight_decay=tuned(...) cannot be combined: "
                "tune max_lr as well, or give the other setting"
            ),
        ),
        (
            Arm(max_lr=tuned(0.1, 1), policy=tuned(1, 2)),
            {},
            "tuned(...) needs a field that holds one number, got 'policy'",
        ),
        (
            Arm(max_lr=tuned(0.1, 1), batch_size=tuned(1, 2)),
            {},
            "'batch_size' cannot be tuned, because the budget in steps depends on it; sweep it",
        ),
        (
            Arm(max_lr=tuned(0.1, 1), momentum=tuned(0.9, 1.5)),
            {},
            "momentum must be in [0, 1), got 1.5",
        ),
        (
            Arm(max_lr=tuned(0.1, 1)),
            {"validation_fraction": 0.1},
            (
                "validation_fraction must be 0 with tuned(...): tuning holds out labels by itself, "
                "and the trainings are measured on test labels; got 0.1"
            ),
        ),
    ],
)
def test_an_impossible_search_is_rejected(
    arm: Arm, base_changes: dict[str, Any], message: str
) -> None:
    assert error(base=base(**base_changes), arms={"a": arm}) == f"arm 'a': {message}"


def test_seeds_of_the_search_are_not_those_of_the_study() -> None:
    arms = {"a": Arm(max_lr=tuned(0.1, 1))}
    assert "seeds must be < 1073741824 with tuned(...)" in error(arms=arms, seeds=[2**30])


def test_arms_that_search_the_same_are_rejected() -> None:
    arms = {"a": Arm(max_lr=tuned(0.1, 1)), "b": Arm(max_lr=tuned(0.1, 1))}
    assert "the same trials as arm 'a'" in error(arms=arms)


def test_arms_that_search_the_same_range_on_other_scales_are_not_the_same() -> None:
    arms = {"a": Arm(max_lr=tuned(0.1, 1)), "b": Arm(max_lr=tuned(0.1, 1, log=False))}
    assert len(make_plan(study(arms=arms)).cells) == 2
    make_plan(study(arms={**arms, "b": Arm(max_lr=tuned(0.1, 2))}))
