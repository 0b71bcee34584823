"""The studies in studies/ can be planned, and those that are cheap run."""

from __future__ import annotations

import os
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import Result

from superconv_ray import open_store
from superconv_ray.data.readers import DATA_DIR_VARIABLE, find_files

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
    # 2 x 5 range tests of 100 steps, which all budgets share; 5 x 525 steps per arm and fraction
    assert lines[2] == "18 cells, 100 trials (10 range tests, 90 trainings), 16,750 steps"
    assert [line.split()[:3] for line in lines if "data_fraction=" in line] == [
        [arm, f"data_fraction={fraction},", f"budget=iterations({budget})"]
        for fraction in (0.1, 1.0)
        for budget in (25, 100, 400)
        for arm in ("one_cycle", "step_0.01", "step_0.1")
    ]


def test_limited_data_takes_its_data_set_and_its_size_from_flags(
    superconv: Callable[..., Result],
) -> None:
    flags = ["--dataset", "cifar10", "--fractions", 0.01, "--fractions", 0.1, "--seeds", 2]
    plan = superconv("plan", STUDIES / "limited_data.py", *flags, "--steps", 100)
    title, question, total, _, *cells, _ = plan.stdout.splitlines()
    assert title.startswith("study limited_data_cifar10_resnet20: ")
    assert question == "as labels become scarce?"  # wrapped at 80 columns
    # 1 % and 10 % of CIFAR-10's 50,000 training images
    assert [line.split()[:3] for line in cells] == [
        [arm, f"data_fraction={fraction}", labels]
        for fraction, labels in ((0.01, "500"), (0.1, "5,000"))
        for arm in ("one_cycle", "piecewise", "cosine", "linear")
    ]
    # 8 cells of 2 trainings and of 12 tuning trials for each of them, 100 steps each
    assert total == "8 cells, 208 trials (192 tuning trials, 16 trainings), 20,800 steps"


@pytest.mark.skipif(
    find_files("fashion_mnist", Path(os.environ.get(DATA_DIR_VARIABLE, "/nowhere"))) is None,
    reason=f"no Fashion-MNIST in ${DATA_DIR_VARIABLE}",
)
def test_limited_data_runs_on_fashion_mnist(
    superconv: Callable[..., Result], store_uri: str
) -> None:
    flags = ["--model", "small_cnn", "--fractions", 0.005, "--steps", 20, "--seeds", 1]
    path = STUDIES / "limited_data.py"
    flags += ["--tuning-trials", 2]
    run = superconv("run", path, "--local", *flags, "--max-trials", 9, "--store", store_uri)
    assert run.exit_code == 0, run.output
    assert "9 trials trained, 0 found in the store" in run.stdout
    assert "3 left" in run.stdout  # of 4 arms, each with 2 tuning trials and a training
    assert "the study's own tables cannot be made from these trials: no finished" in run.stdout
    trials = open_store(store_uri).trials()
    assert trials["validation_fraction"].value_counts().to_dict() == {
        0.2: 7,
        0.0: 2,
    }  # trials that were waiting come first
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


def test_the_sample_study_shows_what_its_docstring_says(superconv: Callable[..., Result]) -> None:
    path, store = STUDIES / "limited_data.py", STUDIES / "results"
    shown = superconv("show", path, "--model", "small_cnn", "--store", store)
    assert shown.exit_code == 0, shown.output
    text = path.read_text()
    interval = r"\d[\d.]* \[[^]]+\]"
    gaps = re.findall(rf"(?:piecewise|cosine|linear) +([-+]{interval})", shown.stdout)
    accuracies = re.findall(rf"  ({interval})", shown.stdout)
    assert (len(gaps), len(accuracies)) == (15, 20)  # 5 numbers of labels, 3 baselines, 4 arms
    assert all(found in text for found in [*gaps, *accuracies])
    assert "an exponent is at its bound: these n do not tell b from c" in shown.stdout
