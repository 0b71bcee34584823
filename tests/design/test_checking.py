from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from superconv_ray.data.dataset import Dataset
from superconv_ray.design.building import make_plan
from superconv_ray.design.choices import from_range_test, tuned
from superconv_ray.design.study import Arm
from superconv_ray.design.sweep import grid, paired
from superconv_ray.design.trial import Trial
from tests.design.made import base, error, fields_of, own, study, the_cell


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
        (Arm(momentum=0.9), Arm(div_factor=10)),
        (Arm(tail="step"), Arm(eval_interval=20)),
        (Arm(weight_decay=0), Arm(weight_decay=-0.0)),
        (Arm(max_lr=from_range_test()), Arm(max_lr=from_range_test(high=10))),
        (Arm(optimizer="adam"), Arm(optimizer="adam", beta2=0.999)),
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


@pytest.mark.parametrize(
    "own",
    [{"data_fraction": 0.5}, {"data_count": 9}, {"dataset": "mnist"}, {"validation_fraction": 0.2}],
)
def test_arms_on_other_data_are_no_comparison(own: dict[str, Any]) -> None:
    (name,) = own
    assert error(arms={"a": Arm(), "b": Arm(**own)}).startswith(
        f"arm 'b': '{name}' must be the same for all arms; set it in base or sweep; got "
    )


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


def test_images_too_small_for_the_model_are_rejected() -> None:
    assert error(base=base(dataset="digits", model="lenet")) == (
        "arm 'one_cycle': model 'lenet' needs images of at least 13 x 13 pixels, but those of "
        "dataset 'digits' are 8 x 8"
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"dataset": "mnist", "model": "lenet"},
            "image_sizes needs a model that takes images of several sizes, 'lenet' takes",
        ),
        (
            {"image_sizes": (3, 8)},
            "image_sizes must be in [4, 8], from what model 'small_cnn' needs to the size of",
        ),
        (
            {"image_sizes": (8, 16)},
            "image_sizes must be in [4, 8], from what model 'small_cnn' needs to the size of",
        ),
        (
            {"image_sizes": [8.0]},
            "image_sizes must have a size below 8, that of dataset 'digits', or be None; got (8,)",
        ),
    ],
)
def test_images_can_only_shrink_and_only_where_the_model_takes_several_sizes(
    settings: dict[str, Any], message: str
) -> None:
    given = base(**{"dataset": "digits", "model": "small_cnn", "image_sizes": (4, 8)} | settings)
    assert error(base=given).startswith(f"arm 'one_cycle': {message}")


def test_more_sizes_of_images_than_steps_are_rejected() -> None:
    with pytest.raises(ValueError, match=r"no more sizes than the run has steps \(1\), got"):
        Trial(image_sizes=(4, 8), steps=1)


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
def test_a_setting_that_an_arm_does_not_use_is_rejected(arm: Arm, message: str) -> None:
    assert error(arms={"a": arm}).startswith(message)


def test_a_setting_that_the_policy_ignores_is_rejected_with_those_it_uses() -> None:
    message = error(arms={"a": Arm(policy="piecewise", div_factor=5)})
    assert message.endswith(
        ", which uses max_lr, milestones, decay_factor, warmup_fraction, momentum"
    )


def test_a_setting_that_only_some_points_use_is_allowed() -> None:
    arms = {"a": Arm(weight_decay_on="weights"), "b": Arm(policy="cosine")}
    assert len(make_plan(study(arms=arms, sweep=grid(weight_decay=(0, 1e-4)))).cells) == 4


def test_a_field_set_by_both_sweep_and_arm_is_rejected() -> None:
    assert error(sweep=grid(max_lr=(0.1,)), arms={"a": Arm(max_lr=0.2)}) == (
        "arm 'a' at max_lr=0.1: 'max_lr' is set by the sweep and by the arm; choose one"
    )


def test_a_fraction_together_with_a_count_of_labels_is_rejected() -> None:
    assert error(base=base(data_fraction=0.1), sweep=grid(data_count=(100,))) == (
        "arm 'one_cycle' at data_count=100: set data_fraction or data_count, not both; got "
        "data_fraction=0.1 and data_count=100"
    )


def test_more_labels_than_the_data_set_has_are_rejected() -> None:
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
def test_what_the_study_computes_cannot_be_set(field: str) -> None:
    value, instead = SET_BY_STUDY[field]
    changed: dict[str, Any] = {field: value}
    expected = f"{field!r} cannot be set, {instead}; got "
    assert error(arms={"a": Arm(**changed)}) == f"arm 'a': {expected}{value!r}"
    assert error(sweep=grid(**{field: (value,)})).endswith(f": {expected}{value!r}")
    assert error(base=base(**changed)) == f"base: {expected}{field}={value!r}"


def test_an_arm_cannot_choose_its_own_subset() -> None:
    assert error(arms={"a": Arm(subset_seed=1)}) == (
        "arm 'a': 'subset_seed' must be the same for all arms; set it in base or sweep; got 1"
    )
    plan = make_plan(study(sweep=grid(subset_seed=(1, 2))))
    assert [cell.trainings[0].subset_seed for cell in plan.cells] == [1, 2]


def test_a_missing_max_lr_is_found_before_anything_runs() -> None:
    assert error(base=replace(study().base, max_lr=None)) == (
        "arm 'one_cycle': max_lr must be set before a trial can run, got None"
    )


def test_a_setting_that_would_fail_after_the_range_tests_is_rejected_before_them() -> None:
    late = Arm(policy="wsd", max_lr=from_range_test(), warmup_fraction=0.8, cooldown_fraction=0.5)
    assert "cooldown_fraction must be <= 0.2, what warmup_fraction" in error(arms={"a": late})


@pytest.mark.parametrize(
    ("reading", "message"),
    [
        (from_range_test(high=-1), "max_lr must be finite and > 0, got -1.0"),
        (from_range_test(low=10.0), "start_lr must be < max_lr (10.0), got 10.0"),
    ],
)
def test_an_impossible_range_test_is_rejected(reading: Any, message: str) -> None:
    assert error(arms={"a": Arm(max_lr=reading)}) == f"arm 'a': {message}"


def test_seeds_that_no_trial_can_have_are_rejected() -> None:
    assert error(seeds=(-1,)) == "seeds: each must be an integer in [0, 2**31), got -1"


def test_built_in_models_and_augmentation_reject_data_other_than_images() -> None:
    vectors = Dataset(
        train_inputs=np.zeros((10, 5), dtype=np.float32),
        train_labels=np.arange(10) % 2,
        test_inputs=np.zeros((2, 5), dtype=np.float32),
        test_labels=np.arange(2),
    )
    features = {"datasets": {"mine": vectors}}
    assert make_plan(own(**features)).cells
    assert error(**fields_of(own(**features, base=replace(own().base, model="lenet")))) == (
        "arm 'one_cycle': model 'lenet' needs images, but dataset 'mine' holds vectors of 5 "
        "features; use a model of your own and augment='none'"
    )
    assert "augment 'flip' needs images" in error(
        **fields_of(own(**features, base=replace(own().base, augment="flip")))
    )


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


def test_a_study_cannot_use_the_seeds_of_the_search() -> None:
    arms = {"a": Arm(max_lr=tuned(0.1, 1))}
    assert "seeds must be < 1073741824 with tuned(...)" in error(arms=arms, seeds=[2**30])


def test_arms_with_the_same_search_are_rejected() -> None:
    arms = {"a": Arm(max_lr=tuned(0.1, 1)), "b": Arm(max_lr=tuned(0.1, 1))}
    assert "the same trials as arm 'a'" in error(arms=arms)


def test_arms_that_search_one_range_on_different_scales_are_accepted() -> None:
    arms = {"a": Arm(max_lr=tuned(0.1, 1)), "b": Arm(max_lr=tuned(0.1, 1, log=False))}
    assert len(make_plan(study(arms=arms)).cells) == 2
    make_plan(study(arms={**arms, "b": Arm(max_lr=tuned(0.1, 2))}))
