"""The notebook of the sample study: its outputs are fresh, and its text states what they show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import nbformat
import pytest

from docs.notebook import NOTEBOOK, executed
from superconv_ray import StudyResults, open_store
from superconv_ray.analysis import factor_trend, time_to_accuracy


@pytest.fixture(scope="module")
def notebook() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def text(notebook: Any) -> str:
    """What its Markdown states, without line breaks."""
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return " ".join(" ".join(cells).split())


@pytest.fixture(scope="module")
def results() -> StudyResults:
    store = open_store(NOTEBOOK.parent / "results")
    return StudyResults(store, "super_convergence_fashion_mnist_lenet")


def texts(notebook: Any) -> Iterator[tuple[str, list[str]]]:
    """The source of every code cell with the texts of its outputs; pictures have none."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            yield (
                cell.source,
                [o.get("text") or o.get("data", {}).get("text/plain") for o in cell.outputs],
            )


def test_its_outputs_are_those_of_its_code(notebook: Any) -> None:
    """`make notebook` renews them."""
    assert list(texts(notebook)) == list(texts(executed()))


def test_its_charts_show_without_running_it(notebook: Any) -> None:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    assert len(pictures) == 3
    assert NOTEBOOK.stat().st_size < 500_000


def test_it_runs_on_any_machine(notebook: Any) -> None:
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata) == {"kernelspec", "language_info"}  # no editor's own
    assert not re.search(r"/(home|root|Users|work|tmp)/", NOTEBOOK.read_text(encoding="utf-8"))


def test_it_asks_eight_questions(notebook: Any) -> None:
    headings = [c.source.splitlines()[0] for c in notebook.cells if c.source.startswith("## ")]
    assert len(headings) == 8
    assert all(heading.endswith("?") for heading in headings)


def test_arms_are_within_a_point_from_30_epochs_on(results: StudyResults, text: str) -> None:
    late = results.trainings[results.trainings["epochs"] >= 30]
    means = late.groupby(["data_count", "epochs", "arm"])["test_accuracy"].mean().unstack()
    assert (means.max(axis=1) - means.min(axis=1)).max() < 0.01
    assert "From 30 epochs on, all arms are within a point of one another" in text


def test_no_factor_shows_super_convergence_and_no_gap_a_better_arm(
    results: StudyResults, text: str
) -> None:
    arms = ["one_cycle", "range_tested"]
    factors = [
        verdict
        for baseline in ("inv_0.01", "piecewise")
        for verdict in time_to_accuracy(results.trainings, arms, baseline, ["data_count"])[
            "verdict"
        ]
    ]
    assert sorted(factors) == ["does not", *["undecided"] * 11]
    assert "No arm shows it, and all factors but one are undecided" in text
    gaps = results.comparison["verdict"].value_counts()
    assert gaps.to_dict() == {"undecided": 91, "equivalent": 5}
    assert "no arm is better than another, and five of the 96 rows are equivalent" in text


def test_no_gain_grows_and_after_10_epochs_one_ratio_falls(
    results: StudyResults, text: str
) -> None:
    trend = results.trend
    assert set(trend["verdict"]) == {"undecided"}
    assert set(trend["ratio_verdict"]) == {"undecided", "falls"}
    ((epochs, baseline),) = trend.loc[
        trend["ratio_verdict"] == "falls", ["epochs", "baseline"]
    ].to_numpy()
    assert (epochs, baseline) == (10, "inv_0.01")
    assert "No gain grows, and in points none falls" in text
    assert "the error of 1cycle grows faster than that of `inv_0.01`" in text


def test_whether_factors_grow_is_undecided(results: StudyResults, text: str) -> None:
    assert set(results.factor_trend["verdict"]) == {"undecided"}
    found = factor_trend(results.trainings, ["one_cycle", "range_tested"], "inv_0.01")
    assert set(found["verdict"]) == {"undecided"}
    assert "Whether the factor grows is undecided with ten seeds" in text


def test_the_range_tests_read_one_rate_for_all_seeds(results: StudyResults, text: str) -> None:
    trainings = results.trainings
    own = trainings[trainings["arm"] == "range_tested"]
    assert own.groupby(["data_count", "epochs"])["max_lr"].nunique().eq(1).all()
    searched = trainings[trainings["arm"] == "one_cycle"]
    assert searched.groupby(["data_count", "epochs"])["max_lr"].nunique().eq(10).all()
    assert "Every seed has a search of its own" in text
    assert "read one rate for all seeds" in text
