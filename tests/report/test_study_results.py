"""What a store knows of a study, on stores written by hand."""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from superconv_ray.analysis import compare
from superconv_ray.design.trial import Trial
from superconv_ray.report.study_results import StudyResults
from superconv_ray.report.text import study_text
from superconv_ray.storage.store import Store, StoreError, open_store
from superconv_ray.storage.writing import StoreWriter
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


def test_budgets_in_epochs_are_an_axis_that_labels_do_not_change(store: Store) -> None:
    pairs = list(product((100, 200), (1, 3)))
    points = [{"data_count": labels, "budget": {"epochs": epochs}} for labels, epochs in pairs]
    study = HandMade(store, ("a",), *points)
    for place, (labels, epochs) in enumerate(pairs):
        study.add("a", 0.9, point=place, data_count=labels, steps=labels * epochs // 10)
    results = study.results()
    assert results.axes == ["data_count", "epochs"]
    assert results.budget_axis == "epochs"
    assert sorted(results.trainings["epochs"]) == [1, 1, 3, 3]


def test_a_setting_that_an_arm_does_not_have_is_no_axis_of_its_own(store: Store) -> None:
    points: list[dict[str, Any]] = [{"steps": n, "tail_fraction": n / 1000} for n in (100, 200)]
    study = HandMade(store, ("one_cycle", "constant"), *points)
    for place, point in enumerate(points):
        study.add("one_cycle", 0.9, point=place, policy="one_cycle", **point)
        study.add("constant", 0.8, point=place, policy="constant", steps=point["steps"])
    assert study.results().axes == ["steps"]
    assert len(study.results().comparison) == 2


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


def test_unfinished_trials_are_counted(store: Store) -> None:
    study = HandMade(store, ("a",))
    study.add("a", 0.9)
    study.to_come = 3
    assert study.results().open_trials == 3


def test_failures_are_those_of_the_study(store: Store) -> None:
    study = HandMade(store, ("a",))
    study.add("a", 0.9)
    StoreWriter(store).write_failure(
        Trial(max_lr=0.7, steps=3, data_count=72).complete(), "another study's"
    )
    assert not study.results().failures


def test_an_unknown_study_is_an_error_that_lists_the_known_ones(store: Store) -> None:
    HandMade(store, ("a",)).results()
    with pytest.raises(StoreError, match=r"no study 'b' .* there are: 'hand_made'"):
        StudyResults(store, "b")


def compared(store: Store) -> StudyResults:
    """Three seeds of two arms, of which the first is better."""
    study = HandMade(store, ("a<b>", "b"))
    for seed in range(3):
        study.add("a<b>", 0.9 + seed / 100, seed=seed)
        study.add("b", 0.8, seed=seed)
    study.question = "Is a > b?"
    return study.results()


def test_its_repr_is_what_show_prints(store: Store) -> None:
    results = compared(store)
    assert repr(results) == study_text(results)
    assert "In test accuracy, a<b> is better than b." in repr(results)


def test_a_notebook_shows_verdict_tables_and_a_chart_with_names_escaped(store: Store) -> None:
    html = compared(store)._repr_html_()
    assert html.startswith("<h4>Is a &gt; b?</h4>")
    assert "<b>In test accuracy, a&lt;b&gt; is better than b.</b>" in html
    assert "<td>+11.0 [+8.5, +13.5]</td>" in html
    assert html.count("<svg") == 1
    assert "a<b>" not in html


def test_a_notebook_without_the_optional_packages_has_no_chart(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [name for name in sys.modules if name.startswith("superconv_ray.report.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "altair", None)
    html = compared(store)._repr_html_()
    assert "<table>" in html
    assert "<svg" not in html


def test_a_notebook_of_a_study_without_trainings_says_so(store: Store) -> None:
    html = HandMade(store, ("a",)).results()._repr_html_()
    assert "No training has finished yet" in html


def test_compare_compares_the_first_arm_with_all_others_by_default(store: Store) -> None:
    results = compared(store)
    pd.testing.assert_frame_equal(results.compare(), results.comparison)
    turned = results.compare("b", "a<b>", margin=0.01)
    wanted = compare(results.trainings, "b", "a<b>", value="test_accuracy", margin=0.01)
    pd.testing.assert_frame_equal(turned, wanted)


def test_a_report_and_an_export_are_written_and_their_paths_returned(
    store: Store, tmp_path: Path
) -> None:
    results = compared(store)
    path = results.report(tmp_path / "folder" / "report.html")
    assert "Is a &gt; b?" in path.read_text()
    latex = tmp_path / "tables.tex"
    assert results.export(latex=latex) == [latex]
    assert r"\toprule" in latex.read_text()


def test_an_export_of_nothing_is_an_error(store: Store) -> None:
    with pytest.raises(ValueError, match="give at least one of charts, latex and markdown"):
        compared(store).export()
