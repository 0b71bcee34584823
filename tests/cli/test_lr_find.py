"""`superconv lr-find` as a user calls it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from superconv_ray import open_store
from superconv_ray.analysis.range_tests.tables import RULES

SHORT = ["--local", "--steps", 20, "--points", 10, "--seeds", 2, "--data-fraction", 0.1]
STUDY = """
from superconv_ray import Study, Trial, grid, iterations

def study(batch_size: int = 16) -> Study:
    return Study(
        name="mine",
        base=Trial(batch_size=batch_size),
        sweep=grid(data_count=(60, 100)),
        budget=iterations(80),
        seeds=1,
    )
"""


@pytest.fixture
def lr_find(
    superconv: Callable[..., Result],
    tmp_path: Path,
    store_uri: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Result]:
    """The command, called in a folder of its own with short range tests."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Result:
        return superconv("lr-find", *SHORT, "--batch-size", 16, "--store", store_uri, *arguments)

    return call


def test_one_command_runs_the_tests_prints_every_rule_and_draws(
    lr_find: Callable[..., Result], tmp_path: Path, store_uri: str
) -> None:
    result = lr_find()
    assert result.exit_code == 0, result.stderr
    assert "study lr_find_digits_small_cnn: 2 trials trained, 0 found" in result.stdout
    assert (
        "range test exponential of small_cnn on digits: 144 labels, LR 0.0001 to 10, 20 steps, 2 "
        "seeds verdict: " in " ".join(result.stdout.split())
    )
    for rule in RULES:
        assert f"\n{rule} " in result.stdout
    assert result.stdout.endswith("chart: lr_find.png\n")
    assert (tmp_path / "lr_find.png").read_bytes().startswith(b"\x89PNG")
    trials = open_store(store_uri).trials("lr_find_digits_small_cnn")
    assert set(trials["kind"]) == {"range_test"}


def test_what_was_run_is_found_in_the_store(lr_find: Callable[..., Result]) -> None:
    first, second = lr_find(), lr_find("--chart", "again.svg")
    assert "0 trials trained, 2 found in the store" in second.stdout
    assert (
        first.stdout.split("range test")[-1].splitlines()[:-1]
        == (second.stdout.split("range test")[-1].splitlines()[:-1])
    )


def test_other_flags_replace_the_study_of_an_earlier_run(
    lr_find: Callable[..., Result], store_uri: str
) -> None:
    assert lr_find().exit_code == 0
    result = lr_find("--high", 1.0)
    assert result.exit_code == 0, result.stderr
    assert "LR 0.0001 to 1, 20 steps, 2 seeds" in " ".join(result.stdout.split())
    definitions = open_store(store_uri).definitions("lr_find_digits_small_cnn")
    assert [definition.purpose for definition in definitions] == ["lr_find", "lr_find"]
    trials = open_store(store_uri).trials("lr_find_digits_small_cnn")
    assert set(trials["max_lr"]) == {1.0}


def test_each_point_of_a_study_is_reported(
    superconv: Callable[..., Result], tmp_path: Path, store_uri: str
) -> None:
    path, chart = tmp_path / "a_study.py", tmp_path / "lr.html"
    path.write_text(STUDY)
    flags = ["--local", "--steps", 20, "--store", store_uri, "--chart", chart]
    result = superconv("lr-find", path, *flags)
    assert result.exit_code == 0, result.stderr
    for count in (60, 100):
        assert f"on digits: {count} labels, LR 0.0001" in result.stdout
    assert result.stdout.count("verdict: ") == 2
    assert "digits, 100 labels" in chart.read_text()


def test_the_optimizer_is_a_flag(lr_find: Callable[..., Result], store_uri: str) -> None:
    assert lr_find("--optimizer", "adamw").exit_code == 0
    trials = open_store(store_uri).trials("lr_find_digits_small_cnn")
    assert set(trials["optimizer"]) == {"adamw"}


def test_loss_and_metric_are_flags(lr_find: Callable[..., Result], store_uri: str) -> None:
    result = lr_find("--loss", "cross_entropy", "--metric", "balanced_accuracy")
    assert result.exit_code == 0, result.stderr
    assert "balanced accuracy peaks at" in result.stdout
    trials = open_store(store_uri).trials("lr_find_digits_small_cnn")
    assert set(trials["metric"]) == {"balanced_accuracy"}


def test_a_linear_test_that_is_too_short_is_warned_of_first(lr_find: Callable[..., Result]) -> None:
    result = lr_find("--scale", "linear", "--max-trials", 0)
    assert result.stderr.startswith("warning: a linear range test of 20 steps from 0 to 3 passes")
    assert "give it 1,000 steps" in result.stderr


def test_test_labels_repeat_a_published_chart(lr_find: Callable[..., Result]) -> None:
    result = lr_find("--test-labels", "--chart", "lr.svg")
    assert "test accuracy peaks at" in result.stdout


def test_without_the_optional_packages_only_the_table_is_printed(
    lr_find: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "altair", None)
    for name in [name for name in sys.modules if name.startswith("superconv_ray.report.")]:
        monkeypatch.delitem(sys.modules, name)
    result = lr_find()
    assert result.exit_code == 0
    assert "\nplateau_middle " in result.stdout
    assert result.stdout.endswith(
        "no chart: altair is missing; pip install 'superconv_ray[report]'\n"
    )
    assert not (tmp_path / "lr_find.png").exists()


def test_without_a_finished_test_the_output_says_so(lr_find: Callable[..., Result]) -> None:
    result = lr_find("--max-trials", 0)
    assert "no finished range test of study 'lr_find_digits_small_cnn' yet" in result.stdout


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model", "smal_cnn"], "got 'smal_cnn'; did you mean 'small_cnn'?"),
        (["--scale", "log"], "scale must be one of 'linear', 'exponential', got 'log'"),
        (["--loss", "hinge"], "loss must be one of 'cross_entropy', 'bce', 'mse', got 'hinge'"),
        (["--loss", "mse"], "loss must be 'cross_entropy', or your own function, for dataset "),
        (["--metric", "f2"], "'accuracy', 'balanced_accuracy', 'f1', 'r2', 'rmse', got 'f2'"),
        (["--low", 50], "start_lr must be < max_lr (10.0), got 50.0"),
        (["--seeds", 0], "seeds must be at least one, got 0"),
        (["--chart", "lr.jpg"], "a chart file must end in .png, .svg, .pdf, .html, got 'lr.jpg'"),
        (["missing.py"], "no study file missing.py"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(
    flags: list[object], message: str, lr_find: Callable[..., Result], tmp_path: Path
) -> None:
    result = lr_find(*flags)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
