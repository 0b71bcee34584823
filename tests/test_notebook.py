"""The notebook of the sample study: its outputs are fresh, and its text states what they show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import nbformat
import pandas as pd
import pytest

from docs.notebook import NOTEBOOK, executed
from superconv_ray import open_store
from superconv_ray.analysis import arm_summary, compare, effort, gap_trend, scaling_fits

ARM = "one_cycle"
BASELINES = ["piecewise", "cosine", "linear"]


@pytest.fixture(scope="module")
def notebook() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def text(notebook: Any) -> str:
    """What its Markdown states, without line breaks."""
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return " ".join(" ".join(cells).split())


@pytest.fixture(scope="module")
def trials() -> pd.DataFrame:
    store = open_store(NOTEBOOK.parent / "results")
    (study,) = store.studies()
    return store.trials(study)


@pytest.fixture(scope="module")
def trainings(trials: pd.DataFrame) -> pd.DataFrame:
    return trials[trials["role"] == "training"]


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


def test_240_tuning_trials_and_100_trainings(trials: pd.DataFrame, text: str) -> None:
    assert trials["role"].value_counts().to_dict() == {"tuning": 240, "training": 100}
    accuracy = arm_summary(trials, ["data_count"])
    assert accuracy["n"].eq(5).all()
    assert accuracy["diverged"].eq(0).all()
    assert "240 tuning trials chose" in text
    assert "100 trainings" in text


def test_1cycle_is_better_nowhere(trials: pd.DataFrame, text: str) -> None:
    gaps = compare(trials, ARM, BASELINES, ["data_count"])
    decided = gaps[gaps["verdict"] != "undecided"]
    assert decided["verdict"].eq("baseline better").all()
    places = set(zip(decided["baseline"], decided["data_count"], strict=True))
    assert places == {("cosine", 300), ("cosine", 6000), ("linear", 6000)}
    said = "cosine is better at 300 and 6,000 labels, linear at 6,000 labels"
    assert said in text
    described = " ".join((NOTEBOOK.parent / "limited_data.py").read_text().split())
    assert said in described[0].lower() + described[1:].replace("Cosine", "cosine")


def test_rows_share_the_chance_of_error(trials: pd.DataFrame, text: str) -> None:
    gaps = compare(trials, ARM, BASELINES, ["data_count"])
    assert len(gaps) == 15
    assert "each interval is of 99.67 %" in text
    assert (gaps["p"] < 0.05).sum() == 9
    assert "9 of them would have p below 0.05" in text


def test_the_gain_falls_because_of_300_labels(trials: pd.DataFrame, text: str) -> None:
    trend = gap_trend(trials, ARM, BASELINES)
    assert trend["verdict"].eq("falls").all()
    assert (100 * trend["mean"]).round(1).tolist() == [-1.6, -1.6, -1.8]
    assert "falls by 1.6 to 1.8 points" in text
    gaps = compare(trials, ARM, BASELINES, ["data_count"])
    few = gaps[gaps["data_count"] == 300]
    assert (100 * few["mean"]).round(1).tolist() == [-5.1, -6.6, -6.1]
    assert "5 to 7 points behind" in text


def test_without_300_labels_only_the_gap_to_cosine_grows(trials: pd.DataFrame, text: str) -> None:
    trend = gap_trend(trials[trials["data_count"] > 300], ARM, BASELINES).set_index("baseline")
    assert (100 * trend["mean"]).round(1)["cosine"] == 1.1
    assert trend["verdict"].to_dict() == {
        "piecewise": "undecided",
        "cosine": "grows",
        "linear": "undecided",
    }
    assert "the gap to cosine would grow by 1.1 points" in text


def test_the_search_at_300_labels_chose_by_chance(
    trials: pd.DataFrame, trainings: pd.DataFrame, text: str
) -> None:
    chosen = trainings.groupby(["data_count", "arm"])["max_lr"].first().unstack()[ARM].round(2)
    assert chosen[300] == 4.73
    assert (chosen.loc[1200:].min(), chosen.loc[1200:].max()) == (0.44, 0.87)
    assert "chose a `max_lr` of 4.73" in text
    assert "chose 0.44 to 0.87" in text
    searched = trials[
        (trials["role"] == "tuning") & (trials["data_count"] == 300) & (trials["arm"] == ARM)
    ].sort_values("max_lr")
    assert (searched["validation_fraction"] * searched["data_count"]).eq(60).all()
    best = searched[searched["validation_accuracy"] == searched["validation_accuracy"].max()]
    assert best["max_lr"].round(2).tolist() == [0.2, 0.44, 4.73]
    assert best["validation_accuracy"].mul(60).round().eq(45).all()
    assert "Three rates from 0.2 to 4.7 classified the same 45 of the 60" in text


def test_tuning_cost_the_same_for_every_arm(trials: pd.DataFrame, text: str) -> None:
    spent = effort(trials).pivot(index="arm", columns="role", values="steps")
    assert spent["training"].eq(12_500).all()
    assert spent["tuning"].eq(30_000).all()
    assert "30,000 steps of search for 12,500 measured steps" in text


def test_the_scaling_cannot_be_told(trials: pd.DataFrame) -> None:
    fits = scaling_fits(trials)
    assert fits.loc[fits["note"].str.contains("at its bound"), "arm"].tolist() == [ARM]
    assert (fits["b_high"] - fits["b_low"]).min() > 0.8


def test_bn_statistics_change_no_mean_by_more_than_a_fifth_of_a_point(
    trainings: pd.DataFrame, text: str
) -> None:
    change = trainings["test_accuracy_reestimated"] - trainings["test_accuracy"]
    means = change.groupby([trainings["data_count"], trainings["arm"]]).mean()
    assert means.abs().max() < 0.002
    assert "no arm's mean accuracy by more than 0.2 points" in text
