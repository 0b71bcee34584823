"""The studies in studies/ can be planned, and those that are cheap run."""

from __future__ import annotations

import ast
import os
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import Result

from superconv_ray import StudyResults, open_store
from superconv_ray.analysis.comparison.verdicts import UNDECIDED
from superconv_ray.data.readers import DATA_DIR_VARIABLE, find_files
from superconv_ray.design.building import make_plan

STUDIES = Path(__file__).parents[1] / "studies"


@pytest.mark.parametrize("path", sorted(STUDIES.glob("*.py")), ids=lambda path: path.stem)
def test_every_study_plans_and_opens_with_its_question_and_its_command(
    path: Path, superconv: Callable[..., Result]
) -> None:
    plan = superconv("plan", path)
    assert plan.exit_code == 0, plan.stderr
    title, _, command, *_ = path.read_text().splitlines()
    assert title.startswith('"""')
    assert command.strip().startswith(f"python studies/{path.name} run")


def test_the_quickstart_compares_three_arms_at_three_budgets(
    superconv: Callable[..., Result],
) -> None:
    lines = superconv("plan", STUDIES / "quickstart.py").stdout.splitlines()
    # 2 x 5 range tests of 200 steps, which all budgets share; 5 x 400 steps per arm and fraction
    assert lines[2] == "18 cells, 100 trials (10 range tests, 90 trainings), 14,000 steps"
    assert [line.split()[:3] for line in lines if "iterations(" in line] == [
        [arm, fraction, f"iterations({budget})"]
        for fraction in ("0.1", "1.0")
        for budget in (25, 75, 300)
        for arm in ("one_cycle", "step_0.01", "step_0.1")
    ]


def test_limited_data_takes_its_data_set_and_its_size_from_flags(
    superconv: Callable[..., Result],
) -> None:
    flags = ["--dataset", "cifar10", "--model", "resnet8", "--labels", 500, "--labels", 5000]
    flags += ["--budgets", 10, "--usual", "linear", "--seeds", 2]
    plan = superconv("plan", STUDIES / "limited_data.py", *flags)
    lines = plan.stdout.splitlines()
    assert lines[0].startswith("study limited_data_cifar10_resnet8: ")
    # Each of 8 trainings has a search of 4 trials, which train on four fifths of the labels
    assert lines[2] == "4 cells, 40 trials (32 tuning trials, 8 trainings), 14,452 steps"
    assert lines[3] == "in all cells: budget=epochs(10)"
    assert [line.split()[:3] for line in lines[5:9]] == [
        [arm, f"{labels}", f"{labels:,}"]
        for labels in (500, 5000)
        for arm in ("one_cycle", "linear")
    ]


def test_limited_data_shares_its_trainings_with_super_convergence() -> None:
    flags: dict[str, Any] = {"labels": (300,), "budgets": (10,), "usual": ("linear",), "seeds": 1}
    limited, whole = (
        make_plan(runpy.run_path(str(STUDIES / f"{name}.py"))["study"](**flags))
        for name in ("limited_data", "super_convergence")
    )
    own, others = (
        {(cell.arm, str(cell.point), repr(cell.templates)) for cell in plan.cells}
        for plan in (limited, whole)
    )
    assert own < others


@pytest.mark.skipif(
    find_files("fashion_mnist", Path(os.environ.get(DATA_DIR_VARIABLE, "/nowhere"))) is None,
    reason=f"no Fashion-MNIST in ${DATA_DIR_VARIABLE}",
)
def test_limited_data_runs_on_fashion_mnist(
    superconv: Callable[..., Result], store_uri: str
) -> None:
    flags = ["--labels", 300, "--budgets", 3, "--usual", "linear", "--seeds", 1]
    path = STUDIES / "limited_data.py"
    flags += ["--tuning-trials", 2]
    run = superconv("run", path, "--local", *flags, "--max-trials", 5, "--store", store_uri)
    assert run.exit_code == 0, run.output
    assert "5 trials trained, 0 found in the store" in run.stdout
    assert "1 left" in run.stdout  # of 2 arms, each with 2 tuning trials and a training
    assert "the study's own tables cannot be made from these trials" in run.stdout
    trials = open_store(store_uri).trials()
    # trials that were waiting come first
    assert trials["validation_fraction"].value_counts().to_dict() == {0.2: 4, 0.0: 1}
    assert set(trials["data_count"]) == {300}
    assert trials["train_accuracy"].max() > 0.2  # guessing: 0.1


@pytest.mark.usefixtures("ray_session")
def test_own_data_runs_from_a_parquet_file_to_its_table(
    tmp_path: Path,
    superconv: Callable[..., Result],
    store_uri: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On Ray Tune: the user's own data set and model reach the workers."""
    table = tmp_path / "flowers.parquet"
    flowers(200).to_parquet(table)
    flags = ["--table", str(table), "--seeds", "1", "--store", store_uri]
    path = str(STUDIES / "own_data.py")
    run = superconv("run", path, *flags)
    assert run.exit_code == 0, run.output
    # Two fractions, each with a range test and two arms
    assert "study own_data: 6 trials trained, 0 found in the store" in run.stdout
    assert "Gap: one_cycle minus baseline in points" in run.stdout
    trials = open_store(store_uri).trials("own_data")
    # Every fifth of 200 rows is for testing. Range tests hold out a fifth of the others.
    assert sorted(set(trials["data_count"])) == [32, 160]
    best = trials[(trials["data_count"] == 160) & (trials["role"] == "training")]
    assert (best["test_accuracy"] > 0.9).all()

    # Started the other way it is the same study, with the same ids of data and model
    monkeypatch.setattr(sys, "argv", [path, "run", *flags])
    with pytest.raises(SystemExit, match="0"):
        runpy.run_path(path, run_name="__main__")
    assert "study own_data: 0 trials trained, 6 found in the store" in capsys.readouterr().out


def flowers(count: int) -> pd.DataFrame:
    """Two kinds of flowers that differ in both features."""
    labels = np.arange(count) % 2
    noise = np.random.default_rng(0).normal(size=(count, 2))
    frame = pd.DataFrame(noise + 4.0 * labels[:, np.newaxis], columns=["petal", "sepal"])
    return frame.assign(label=np.where(labels, "iris", "rose"))


SHOWN = {
    "super_convergence": (
        "--labels 100 --labels 300 --labels 1000",
        "--batch-size 512 --most-samples 400000 --usual piecewise --usual linear --seeds 5"
        + "".join(f" --labels {count}" for count in (1000, 3000, 12_000, 60_000)),
        "--model resnet8 --usual piecewise --usual linear --labels 100 --labels 300 --seeds 5",
    ),
    "limited_data": ("--most-samples 250000 --usual piecewise --usual linear",),
    "parts_of_one_cycle": ("",),
    "progressive_resizing": ("",),
}
"""Flags of the runs in the sample store."""


def docstring_of(name: str) -> str:
    return ast.get_docstring(ast.parse((STUDIES / f"{name}.py").read_text())) or ""


@pytest.mark.parametrize("name", SHOWN)
def test_a_docstring_has_the_numbers_of_the_sample_store(
    name: str, superconv: Callable[..., Result]
) -> None:
    path = STUDIES / f"{name}.py"
    shown = ""
    for flags in SHOWN[name]:
        run = superconv("show", path, *flags.split(), "--store", STUDIES / "results")
        assert run.exit_code == 0, run.output
        shown += run.stdout
    docstring = docstring_of(name)
    interval = r"[-+\d][\d.]* \[[^]]+\]"
    said = re.findall(interval, docstring)
    assert len(said) >= 6
    assert not [found for found in said if found not in shown]


def test_the_flagships_docstring_has_the_one_trend_that_is_decided() -> None:
    name = "super_convergence_fashion_mnist_lenet_512"
    trends = StudyResults(open_store(STUDIES / "results"), name).trend
    (found,) = trends[trends["ratio_verdict"] != UNDECIDED].to_dict("records")
    assert (found["baseline"], found["epochs"], found["ratio_verdict"]) == ("inv_0.01", 3, "falls")
    docstring = docstring_of("super_convergence")
    said = "{ratio_low:.2f} to {ratio_high:.2f}".format_map(found)
    assert f"multiplies the ratio of the error of `inv` to that of 1cycle by {said}" in " ".join(
        docstring.split()
    )


def test_the_readme_has_the_numbers_of_limited_data() -> None:
    """Those of the study's docstring, which are the sample store's."""
    readme = " ".join((STUDIES.parent / "README.md").read_text().split())
    text = docstring_of("limited_data")
    (said,) = re.findall(r"linear decay takes ([^]]+\])", readme)
    assert said in " ".join(text.split())
    gaps = [float(gap) for gap in re.findall(r"([-+]\d\.\d) \[", text)]
    assert len(gaps) == 20
    assert f"no gap to a tuned schedule is above {max(map(abs, gaps))} points" in readme


def test_the_guide_on_images_has_the_numbers_of_progressive_resizing() -> None:
    """Those of the study's docstring, which are the sample store's."""
    guide = (STUDIES.parent / "docs" / "guides" / "large_data.md").read_text()
    docstring = docstring_of("progressive_resizing")
    said = re.findall(r"[-+][\d.]+ \[[^]]+\]", guide.replace("\n", " "))
    assert len(said) == 4
    assert not [gap for gap in said if gap not in docstring]
