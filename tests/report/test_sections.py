"""Which sections a study's report has, and that nothing in them needs more than their few lines."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from benchmarks.made_study import write_made_study
from superconv_ray import (
    Arm,
    Study,
    Trial,
    Tuning,
    epochs,
    from_range_test,
    grid,
    iterations,
    tuned,
)
from superconv_ray.analysis.comparison.verdicts import UNDECIDED
from superconv_ray.report.build import build_report
from superconv_ray.report.content import Report
from superconv_ray.report.readable import shown_columns
from superconv_ray.report.sections import answer, sections
from superconv_ray.report.study_results import StudyResults
from superconv_ray.report.verdict import headline
from superconv_ray.storage.store import Store, open_store
from tests.hand_made import HandMade

ONE_CYCLE = Arm(policy="one_cycle", max_lr=from_range_test(steps=40, points=20))
COSINE = Arm(policy="cosine", max_lr=0.1)
COMPARED = {"gaps", "accuracy", "effort", "learning_curves", "schedules"}
READ = {"range_tests", "suggestions"}


def study(**changes: Any) -> Study:
    settings: dict[str, Any] = {
        "name": "made_up",
        "base": Trial(dataset="digits", model="small_cnn", batch_size=16),
        "arms": {"one_cycle": ONE_CYCLE, "cosine": COSINE},
        "budget": iterations(60),
        "seeds": 3,
    }
    return Study(**{**settings, **changes})


LABELS = grid(data_fraction=(0.1, 0.2, 0.5, 1.0))
CONSTANT = Arm(policy="constant", max_lr=0.1)
STUDIES = {
    "labels": (
        study(sweep=LABELS),
        COMPARED | READ | {"trend", "scaling", "laws", "label_worth"},
    ),
    "searched": (
        study(
            sweep=grid(data_fraction=(0.2, 1.0)),
            arms={
                "one_cycle": Arm(max_lr=tuned(0.1, 1.0)),
                "cosine": Arm(policy="cosine", max_lr=tuned(0.1, 1.0)),
            },
            tuning=Tuning(trials=4),
        ),
        COMPARED | {"trend", "searched", "expected_best"},
    ),
    "budgets": (
        study(sweep=grid(budget=tuple(map(iterations, (30, 60, 120)))), budget=None),
        COMPARED | READ | {"speedup", "super_convergence"},
    ),
    "searched at each budget": (
        study(
            sweep=grid(budget=tuple(map(iterations, (30, 120)))),
            arms={
                "one_cycle": Arm(max_lr=tuned(0.1, 1.0)),
                "cosine": Arm(policy="cosine", max_lr=tuned(0.1, 1.0)),
            },
            tuning=Tuning(trials=4),
            budget=None,
        ),
        COMPARED | {"speedup", "super_convergence", "searched", "expected_best"},
    ),
    "budgets in epochs and labels": (
        study(sweep=grid(data_fraction=(0.2, 1.0), budget=tuple(map(epochs, (2, 6)))), budget=None),
        COMPARED | READ | {"speedup", "super_convergence", "trend"},
    ),
    "regularisation": (
        study(
            sweep=grid(weight_decay=(1e-4, 1e-3), dropout=(0.0, 0.3)),
            arms={"one_cycle": Arm(max_lr=0.5)},
        ),
        {"accuracy", "effort", "learning_curves", "schedules", "balance_weight_decay_dropout"},
    ),
    "batch sizes": (
        study(sweep=grid(batch_size=(16, 64)), arms={"a": CONSTANT, "b": COSINE}),
        COMPARED | {"batch_size"},
    ),
    "one arm": (
        study(arms={"one_cycle": Arm(max_lr=0.5)}, seeds=1),
        {"accuracy", "effort", "learning_curves", "schedules"},
    ),
    "searched at each list": (
        study(
            sweep=grid(milestones=((0.5, 0.75), (0.6, 0.9))),
            arms={"a": Arm(policy="piecewise", max_lr=tuned(0.1, 1.0))},
            tuning=Tuning(trials=4),
        ),
        {"accuracy", "effort", "learning_curves", "schedules", "searched", "expected_best"},
    ),
    "settings that are lists or not set": (
        study(
            sweep=grid(milestones=((0.5, 0.75), (0.6, 0.9))) * grid(ghost_batch_size=(None, 8)),
            arms={"a": Arm(policy="piecewise", max_lr=0.1), "b": Arm(policy="piecewise")},
            base=Trial(dataset="digits", model="small_cnn", batch_size=16, max_lr=0.3),
        ),
        COMPARED,
    ),
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Report]:
    """The report of one of `STUDIES`, written once."""
    made: dict[str, Report] = {}

    def report(name: str) -> Report:
        if name not in made:
            given, uri = STUDIES[name][0], str(tmp_path_factory.mktemp("store"))
            made[name] = build_report(StudyResults(write_made_study(given, uri), given.name))
        return made[name]

    return report


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_has_the_sections_that_apply_to_it(
    name: str, reports: Callable[[str], Report]
) -> None:
    found = {section.name: section for section in reports(name).sections}
    assert found.keys() - {"undecided"} == STUDIES[name][1]
    open_questions = "gaps" in found and found["gaps"].frame["verdict"].eq(UNDECIDED).any()
    assert ("undecided" in found) == open_questions


@pytest.mark.parametrize("name", STUDIES)
def test_the_code_below_a_section_gives_its_frame(
    name: str, reports: Callable[[str], Report]
) -> None:
    report = reports(name)
    for section in report.sections:
        got = run(report.code + "\n" + section.code)
        pd.testing.assert_frame_equal(got, section.frame)


@pytest.mark.parametrize("name", STUDIES)
def test_every_section_says_what_it_shows(name: str, reports: Callable[[str], Report]) -> None:
    for section in reports(name).sections:
        assert section.title
        assert section.text.endswith(".")
        if section.chart is not None:
            section.chart.to_dict()  # is valid Vega-Lite


def test_a_study_of_budgets_and_labels_shows_first_how_many_times_fewer_steps_it_took(
    reports: Callable[[str], Report],
) -> None:
    report = reports("budgets in epochs and labels")
    assert report.answer is not None
    assert report.answer.name == "super_convergence"
    assert report.answer.frame["data_count"].tolist() == [287, 1437]
    accuracies = next(one for one in report.sections if one.name == "accuracy")
    assert set(accuracies.frame["epochs"]) == {2, 6}  # which the labels do not change


def test_units_are_shown_but_not_in_the_frame(reports: Callable[[str], Report]) -> None:
    for section in reports("labels").sections:
        columns = list(shown_columns(section.frame, section.quantities, section.words))
        assert len(columns) <= section.frame.shape[1]
        known = {name for quantity in section.quantities for name in quantity.columns}
        assert known <= set(section.frame)
    (gaps,) = (one for one in reports("labels").sections if one.name == "gaps")
    assert gaps.frame["mean"].abs().max() < 1
    headings = [one.heading for one in shown_columns(gaps.frame, gaps.quantities)]
    assert headings[:4] == ["labels", "arm", "baseline", "gap (points)"]


def run(code: str) -> Any:
    """What the code's last line gives."""
    *lines, last = ast.parse(code).body
    assert isinstance(last, ast.Expr)
    names: dict[str, Any] = {}
    exec(compile(ast.Module(lines, []), "code", "exec"), names)
    return eval(compile(ast.Expression(last.value), "code", "eval"), names)


def test_cells_that_share_their_range_tests_are_drawn_once(
    reports: Callable[[str], Report],
) -> None:
    (section,) = (s for s in reports("budgets").sections if s.name == "range_tests")
    assert section.chart is not None
    assert len(section.frame) == 3
    drawn = json.dumps(section.chart.to_dict())
    assert drawn.count("30 steps and 2 other cells") == 1
    assert "60 steps" not in drawn


REGULARIZED: list[dict[str, Any]] = [
    {"max_lr": rate, "dropout": drop} for rate in (0.1, 1.0) for drop in (0.0, 0.5)
]


def regularized(store: Store, *seeds: int) -> HandMade:
    """An arm that regularizes by two settings, with so many seeds at each of its four points."""
    study = HandMade(store, ("a",), *REGULARIZED)
    for point, (place, count) in enumerate(zip(REGULARIZED, seeds, strict=True)):
        for seed in range(count):
            accuracy = 0.9 + seed / 1000 + (0.05 if point in (1, 2) else 0)
            study.add("a", accuracy, seed=seed, point=point, **place)
    return study


def test_a_balance_is_shown_once_all_its_points_have_the_same_seeds(store_uri: str) -> None:
    store, name = open_store(store_uri), "balance_max_lr_dropout"
    study = regularized(store, 3, 2, 2, 2)
    assert name not in [section.name for section in sections(study.results())]
    for point in (1, 2, 3):
        study.add("a", 0.9, seed=2, point=point, **REGULARIZED[point])
    assert name in [section.name for section in sections(study.results())]


def test_a_study_of_the_balance_of_two_settings_shows_it_first(store_uri: str) -> None:
    store = open_store(store_uri)
    results = regularized(store, 3, 3, 3, 3).results()
    shown = answer(results)
    assert shown is not None
    assert shown.name == "balance_max_lr_dropout"
    assert [section.name for section in sections(results)].count(shown.name) == 1
    assert headline(results) == (
        "In test accuracy, the best dropout of those tried is 0.5 [0.5, 0.5] at max LR 0.1 and "
        "0 [0, 0] at max LR 1."
    )


def test_a_balance_is_no_answer_if_arms_are_compared(store_uri: str) -> None:
    study = HandMade(open_store(store_uri), ("a", "b"), *REGULARIZED)
    for point, place in enumerate(REGULARIZED):
        for arm, accuracy in (("a", 0.9), ("b", 0.8)):
            study.add(
                arm, accuracy, point=point, policy="cosine" if arm == "b" else "one_cycle", **place
            )
    shown = answer(study.results())
    assert shown is not None
    assert shown.name == "gaps"
    assert "balance_max_lr_dropout" in [section.name for section in sections(study.results())]


@pytest.mark.parametrize(
    ("count", "baselines", "along"), [(2, 2, "dropout"), (2, 3, "baseline"), (3, 4, "dropout")]
)
def test_baselines_that_outnumber_two_points_are_along_x(
    store_uri: str, count: int, baselines: int, along: str
) -> None:
    arms = tuple("abcde"[: baselines + 1])
    points: list[dict[str, Any]] = [{"dropout": 0.25 * number} for number in range(count)]
    study = HandMade(open_store(store_uri), arms, *points)
    for point, place in enumerate(points):
        for arm in arms:
            for seed in range(2):
                accuracy = 0.9 + 0.001 * seed * (arm == "a")
                study.add(arm, accuracy, seed=seed, point=point, **place)
    (gaps,) = (section for section in sections(study.results()) if section.name == "gaps")
    assert gaps.chart is not None
    spec = gaps.chart.to_dict()
    drawn = spec.get("spec", spec)["layer"][-1]["encoding"]["x"]
    assert drawn["field"] == along
    assert ("facet" in spec) == (along == "baseline")
