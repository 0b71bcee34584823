"""Whole studies of a regression and of several labels a sample: run, show, report and lr-find."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from sklearn.datasets import load_diabetes
from torch import Tensor, nn

from superconv_ray import (
    Arm,
    Dataset,
    Study,
    StudyResults,
    Trial,
    Tuning,
    at_least,
    from_range_test,
    iterations,
    lr_find,
    open_store,
    tuned,
)
from superconv_ray.design.building import make_plan
from superconv_ray.design.metrics import trial_line
from superconv_ray.execution.session import RunOptions, run_plan
from superconv_ray.report.build import build_report
from superconv_ray.report.watch import Watcher, _means


@cache
def diabetes() -> Dataset:
    """scikit-learn's table of 442 patients: ten features, and the progression of the disease."""
    inputs, progression = load_diabetes(return_X_y=True)
    inputs, targets = inputs.astype(np.float32), (progression - 152) / 77
    return Dataset(
        train_inputs=inputs[:342],
        train_labels=targets[:342],
        test_inputs=inputs[342:],
        test_labels=targets[342:],
    )


def severe() -> Dataset:
    """The same patients: whether progression is above its median, and above its upper quartile."""
    numbers = diabetes()
    limits = np.quantile(numbers.train_labels, [0.5, 0.75])
    return Dataset(
        train_inputs=numbers.train_inputs,
        train_labels=numbers.train_labels > limits,
        test_inputs=numbers.test_inputs,
        test_labels=numbers.test_labels > limits,
    )


class Net(nn.Module):
    def __init__(self, *, input_shape: tuple[int, ...], classes: int, dropout: float) -> None:
        super().__init__()
        del dropout
        self.layers = nn.Sequential(
            nn.Linear(input_shape[0], 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.layers(x)
        return outputs


def study(**changes: Any) -> Study:
    settings: dict[str, Any] = {
        "name": "diabetes",
        "base": base(),
        "arms": {
            "one_cycle": Arm(max_lr=from_range_test(steps=40, points=20)),
            "tuned": Arm(policy="cosine", max_lr=tuned(1e-4, 1.0)),
            "given": Arm(policy="constant", max_lr=1e-4),
        },
        "budget": iterations(40),
        "seeds": 2,
        "tuning": Tuning(trials=4),
        "datasets": {"diabetes": diabetes, "severe": severe},
        "models": {"net": Net},
    }
    return Study(**{**settings, **changes})


def base(**changes: Any) -> Trial:
    settings: dict[str, Any] = {
        "dataset": "diabetes",
        "model": "net",
        "batch_size": 32,
        "loss": "mse",
        "metric": "rmse",
        "metric_unit": "sd",
        "precision": "fp32",
    }
    return Trial(**{**settings, **changes})


def finished(given: Study, uri: str) -> StudyResults:
    summary = run_plan(make_plan(given), RunOptions(store=uri, local=True), Console(quiet=True))
    assert (summary.failed, summary.blocked) == ((), ())
    return StudyResults(open_store(uri), given.name)


@pytest.fixture(scope="module")
def regression(tmp_path_factory: pytest.TempPathFactory) -> StudyResults:
    return finished(study(), str(tmp_path_factory.mktemp("regression")))


def test_a_regression_is_measured_and_compared_by_an_error(regression: StudyResults) -> None:
    trainings = regression.trainings
    assert trainings["test_accuracy"].isna().all()
    assert regression.value == "test_metric"
    means = trainings.groupby("arm")["test_metric"].mean()
    gaps = regression.comparison.set_index("baseline")["mean"]
    assert gaps["given"] == pytest.approx(means["given"] - means["one_cycle"])
    assert gaps["given"] > 0.1  # a rate that is far too small


def test_a_search_takes_a_setting_close_to_the_one_with_the_smallest_error(
    regression: StudyResults,
) -> None:
    trials = regression.trials
    tuning = trials[trials["role"] == "tuning"].set_index("trial_id")
    trainings = trials[trials["arm"].eq("tuned") & trials["role"].eq("training")]
    assert len(trainings) == 2
    for training in trainings.to_dict("records"):
        tried = tuning.loc[list(training["chosen_from"])]
        assert tried["validation_metric"].nunique() == 4
        best = tried.sort_values("validation_metric").iloc[0]
        assert abs(np.log10(training["max_lr"] / best["max_lr"])) < 1  # of four decades


def test_what_is_shown_has_the_metrics_name_unit_and_direction(regression: StudyResults) -> None:
    text = repr(regression)
    assert "Test RMSE in sd, mean [95 % interval over seeds]." in text
    assert "Gap: baseline minus one_cycle in sd of RMSE, paired by seed and subset" in text
    assert "accuracy" not in text
    trial = trial_of(regression)
    assert f"test RMSE {trial:.3f} sd" in watched(regression)


def trial_of(results: StudyResults) -> float:
    return float(results.trials.sort_values("finished_at")["test_metric"].dropna().iloc[-1])


def watched(results: StudyResults) -> str:
    (standing,) = Watcher(results.store, None).look()
    rows = standing.trials.dropna(subset="test_metric").sort_values("finished_at")
    assert "RMSE in sd so far, mean" in _means(standing)
    return trial_line(dict(rows.iloc[-1].dropna()))


def test_a_report_is_of_the_metric(regression: StudyResults) -> None:
    report = build_report(regression)
    names = [section.name for section in report.sections]
    assert "metric" in names
    assert "accuracy" not in names
    texts = " ".join(section.text for section in report.sections)
    assert "Each baseline minus one_cycle in sd of test RMSE" in texts
    assert "share of the best gain in RMSE is at least 95 % of its best" in texts
    specs = {s.name: s.chart.to_json() for s in report.sections if s.chart is not None}
    assert "test RMSE (sd)" in specs["metric"]
    assert "minus one_cycle (sd)" in specs["gaps"]
    assert "validation share of the best gain in RMSE (%)" in specs["range_tests"]
    assert not [name for name in specs if "accuracy (%)" in specs[name]]


def test_the_same_study_again_trains_nothing(regression: StudyResults) -> None:
    uri = regression.store.files.uri
    summary = run_plan(make_plan(study()), RunOptions(store=uri, local=True), Console(quiet=True))
    assert summary.trained == 0
    renamed = study(base=base(metric_unit="standard deviations"), name="renamed")
    summary = run_plan(make_plan(renamed), RunOptions(store=uri, local=True), Console(quiet=True))
    assert summary.trained == 0
    assert "in standard deviations of RMSE" in repr(StudyResults(open_store(uri), "renamed"))


def huber(outputs: Tensor, targets: Tensor) -> Tensor:
    return nn.functional.huber_loss(outputs, targets)


def median_error(outputs: Any, targets: Any) -> float:
    return float(np.median(abs(outputs - targets)))


def test_own_loss_and_metric_run_with_range_tests_and_further_seeds(tmp_path: Path) -> None:
    own = base(loss=huber, metric=median_error, metric_goal="minimize")
    arms = {name: study().arms[name] for name in ("one_cycle", "given")}
    results = finished(study(base=own, arms=arms, seeds=at_least(2, up_to=4)), str(tmp_path))
    assert "Test median error in sd, mean" in repr(results)
    gap = results.comparison.iloc[0]
    means = results.trainings.groupby("arm")["test_metric"].mean()
    assert gap["mean"] == pytest.approx(means["given"] - means["one_cycle"])
    assert results.definition.functions.keys() == {"loss huber", "metric median_error"}


def test_several_labels_are_compared_by_f1_in_percent(tmp_path: Path) -> None:
    own = base(dataset="severe", loss="bce", metric="f1", metric_unit=None)
    arms = {name: study().arms[name] for name in ("one_cycle", "given")}
    results = finished(study(base=own, arms=arms), str(tmp_path))
    assert "Test macro F1 in %, mean [95 % interval over seeds]." in repr(results)
    assert "Gap: one_cycle minus baseline in points of macro F1" in repr(results)
    assert results.trainings["test_metric"].between(0, 1).all()


def test_lr_find_reads_a_metric_of_which_less_is_better(tmp_path: Path) -> None:
    found = lr_find(
        model=Net,
        data=diabetes,
        loss="mse",
        metric="rmse",
        batch_size=32,
        seeds=2,
        steps=60,
        points=30,
        store=tmp_path,
        local=True,
        progress=False,
    )
    assert "validation share of the best gain in RMSE peaks at" in repr(found)
    for _, test in found.tests.groupby("trial_id"):
        best = test["validation_metric_reestimated"].idxmin()
        assert test["validation_accuracy_reestimated"].idxmax() == best
    assert found.table["peak_accuracy"].between(0, 1).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"loss": None},
            (
                "loss must be 'mse', or your own function, for dataset 'diabetes', whose labels "
                "are for regression; got 'cross_entropy', the default: set loss in base"
            ),
        ),
        (
            {"metric": "f1", "metric_unit": None},
            (
                "metric must be 'r2' or 'rmse', or your own function, for dataset 'diabetes', "
                "whose labels are for regression; got 'f1'"
            ),
        ),
        (
            {"dataset": "digits", "model": "small_cnn"},
            (
                "loss must be 'cross_entropy', or your own function, for dataset 'digits', whose "
                "labels are for classification; got 'mse'"
            ),
        ),
    ],
)
def test_a_loss_or_metric_of_another_task_is_rejected_before_anything_is_trained(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=r"^arm 'one_cycle': ") as caught:
        make_plan(study(base=base(**settings)))
    assert str(caught.value) == f"arm 'one_cycle': {message}"
