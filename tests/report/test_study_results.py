"""What a store knows of a study, on stores written by hand."""

from __future__ import annotations

import pytest

from superconv_ray.design.trial import Trial
from superconv_ray.report.study_results import StudyResults
from superconv_ray.storage.store import Store, StoreError, open_store
from tests.hand_made import HandMade


@pytest.fixture
def store(store_uri: str) -> Store:
    return open_store(store_uri)


def test_only_full_trainings_are_measured(store: Store) -> None:
    study = HandMade(store, ("a", "b"))
    study.add("a", 0.9)
    study.add("a", 0.5, role="range_test")
    study.add("a", 0.6, role="tuning", seed=2**30)
    study.add("b", 0.4, policy="range_test_linear")  # range tests that are an arm of their own
    results = study.results()
    assert results.trainings["accuracy"].tolist() == [0.9]
    assert results.arms == ["a"]
    assert len(results.trials) == 4


def test_axes_are_the_columns_in_which_points_differ(store: Store) -> None:
    points = [
        {"data_fraction": fraction, "dropout": 0.1, "budget": budget}
        for fraction in (0.1, 1.0)
        for budget in ("iterations(100)", "iterations(200)")
    ]
    study = HandMade(store, ("a",), *points)
    for number, point in enumerate(points):
        labels, steps = (72, 720)[number // 2], (100, 200)[number % 2]
        study.add("a", 0.9, point=number, data_count=labels, steps=steps, dropout=point["dropout"])
    assert study.results().axes == ["data_count", "steps"]


def test_a_swept_list_is_an_axis(store: Store) -> None:
    milestones = ((0.5, 0.75), (0.6, 0.9))
    study = HandMade(store, ("a",), *({"milestones": list(given)} for given in milestones))
    for number, given in enumerate(milestones):
        study.add("a", 0.9, point=number, policy="piecewise", milestones=given)
    assert study.results().axes == ["milestones"]


def test_accuracies_are_compared_on_the_labels_that_all_trainings_measured(store: Store) -> None:
    study = HandMade(store, ("a", "b"))
    study.add("a", 0.9)
    assert study.results().value == "test_accuracy"
    study.add("b", float("nan"), measured={"validation_accuracy": 0.7})
    results = study.results()
    assert results.value == "accuracy"
    assert results.trainings["accuracy"].tolist() == [0.9, 0.7]
    assert results.measured_on == "validation (where labels are held out) or test"


def test_what_is_still_to_come_is_counted(store: Store) -> None:
    study = HandMade(store, ("a",))
    study.add("a", 0.9)
    study.to_come = 3
    assert study.results().open_trials == 3


def test_only_the_studys_own_failures_are_told(store: Store) -> None:
    study = HandMade(store, ("a",))
    study.add("a", 0.9)
    store.write_failure(Trial(max_lr=0.7, steps=3, data_count=72).complete(), "another study's")
    assert not study.results().failures


def test_an_unknown_study_is_an_error_that_lists_the_known_ones(store: Store) -> None:
    HandMade(store, ("a",)).results()
    with pytest.raises(StoreError, match=r"no study 'b' .* there are: 'hand_made'"):
        StudyResults(store, "b")
