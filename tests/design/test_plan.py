from __future__ import annotations

import pytest

from superconv_ray.design.building import make_plan
from superconv_ray.design.choices import from_range_test
from superconv_ray.design.plan import range_tests_alone
from superconv_ray.design.study import Arm
from superconv_ray.design.sweep import grid, paired
from tests.design.made import distinct, study, the_cell


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
    assert the_cell(arms={"a": Arm()}).describe() == "arm 'a'"
    cell = the_cell(arms={"a": Arm()}, sweep=paired(dropout=[0.5], tail=["step"]))
    assert cell.describe() == "arm 'a' at dropout=0.5, tail=step"


def test_trainings_lack_only_the_max_lr_that_is_read() -> None:
    cell = the_cell(arms={"a": Arm(max_lr=from_range_test())})
    assert [trial.max_lr for trial in cell.templates] == [None, None]
    with pytest.raises(ValueError, match=r"^arm 'a' has yet to choose max_lr$"):
        _ = cell.trainings
    assert [trial.max_lr for trial in cell.trainings_with(max_lr=0.7)] == [0.7, 0.7]
    given = the_cell(arms={"a": Arm(max_lr=0.7)})
    assert cell.trainings_with(max_lr=0.7) == given.trainings


def test_range_tests_alone_run_each_test_once_and_no_training() -> None:
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
    assert len(distinct(plan)) == 8


def test_two_points_may_be_equal_for_some_of_the_arms() -> None:
    arms = {"a": Arm(), "b": Arm(policy="piecewise")}
    plan = make_plan(study(arms=arms, sweep=grid(tail=("step", "linear"))))
    assert plan.cells[1].trainings == plan.cells[3].trainings
    assert len(distinct(plan)) == 6
