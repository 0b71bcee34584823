"""Losses and metrics of other tasks than classification, and what a diverged run counts with."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

from superconv_ray.data.batches import ResidentDataset, to_device
from superconv_ray.data.dataset import Dataset
from superconv_ray.design.trial import CompleteTrial, Trial
from superconv_ray.training.check import check_model
from superconv_ray.training.loop import TrainingRun
from superconv_ray.training.losses import Loss
from superconv_ray.training.metrics import measure_of
from tests.training.made import CPU, SoftmaxRegression, digits, make_trial, mistakes


def complete(**settings: Any) -> CompleteTrial:
    defaults = {"data_count": 40, "batch_size": 8, "steps": 30, "max_lr": 0.1, "precision": "fp32"}
    return Trial(**{**defaults, "policy": "constant", "augment": "none", **settings}).complete()


def data(labels: Any) -> Dataset:
    """Inputs [60, 3], and labels made of them; 20 samples are for testing."""
    inputs = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    made = labels(inputs)
    return Dataset(
        train_inputs=inputs[:40],
        train_labels=made[:40],
        test_inputs=inputs[40:],
        test_labels=made[40:],
    )


def numbers(inputs: Any) -> Any:
    return inputs @ np.array([1.0, -2.0, 0.5]) + 3


def several_labels(inputs: Any) -> Any:
    return inputs[:, :2] > 0


def trained(trial: CompleteTrial, dataset: Dataset) -> TrainingRun:
    run = TrainingRun(trial, to_device(dataset, CPU), SoftmaxRegression)
    run.train()
    return run


def outputs_of(run: TrainingRun, samples: ResidentDataset) -> Any:
    x = (samples.test_inputs - run._samples.statistics.mean) / run._samples.statistics.std
    with torch.no_grad():
        return run.model(x).numpy()


def test_a_regression_learns_and_measures_without_accuracies() -> None:
    dataset = data(numbers)
    run = trained(complete(loss="mse", metric="r2", steps=100), dataset)
    measured = run.outcome().measurements
    assert not [name for name in measured if "accuracy" in name]
    outputs, targets = outputs_of(run, to_device(dataset, CPU)), dataset.test_labels
    assert outputs.shape == targets.shape == (20, 1)
    squares = ((outputs - targets) ** 2).mean()
    assert measured["test_loss"] == pytest.approx(squares, rel=1e-4)
    assert measured["test_metric"] == pytest.approx(1 - squares / targets.var(), rel=1e-4)
    assert measured["test_metric"] == measured["test_metric_reestimated"] > 0.9
    assert measured["train_metric"] > 0.9
    assert run.curve[-1]["test_metric"] == measured["test_metric"]
    assert "train_accuracy" not in run.curve[0]


def test_labels_of_which_a_sample_has_several_are_learned() -> None:
    dataset = data(several_labels)
    run = trained(complete(loss="bce", metric="f1", steps=100), dataset)
    outputs = outputs_of(run, to_device(dataset, CPU))
    hits = (outputs > 0) & dataset.test_labels
    f1 = 2 * hits.sum(0) / ((outputs > 0).sum(0) + dataset.test_labels.sum(0))
    assert run.curve[-1]["test_metric"] == pytest.approx(f1.mean())
    assert f1.mean() > 0.8


def test_subsets_of_a_regression_are_nested_and_random() -> None:
    def training_inputs(**settings: Any) -> set[bytes]:
        run = TrainingRun(
            complete(loss="mse", metric="rmse", **settings),
            to_device(data(numbers), CPU),
            SoftmaxRegression,
        )
        probe = run._samples.probe
        return {row.numpy().tobytes() for row in probe.inputs.index_select(0, probe.indices)}

    few, more = training_inputs(data_count=10), training_inputs(data_count=20)
    assert len(few) == 10
    assert len(more) == 20
    assert few < more
    assert few != training_inputs(data_count=10, subset_seed=1)


LOGITS = np.array([[2.0, 1, 0], [0, 2, 1], [0, 1, 2], [2, 1, 0], [1, 2, 0]], np.float32)
CLASSES = np.array([0, 1, 2, 1, 1])


@pytest.mark.parametrize(
    ("metric", "outputs", "targets", "expected"),
    [
        # Recalls are 1, 2/3 and 1; F1 are 2/3, 4/5 and 1.
        ("balanced_accuracy", LOGITS, CLASSES, (1 + 2 / 3 + 1) / 3),
        ("f1", LOGITS, CLASSES, (2 / 3 + 4 / 5 + 1) / 3),
        ("f1", [[1.0, -1], [1, 1]], [[1.0, 0], [0, 1]], (2 / 3 + 1) / 2),
        ("r2", [[1.0], [2], [3]], [[1.0], [2], [4]], 1 - 1 / (14 / 3)),
        ("rmse", [[1.0, 0], [2, 0]], [[1.0, 3], [4, 4]], (math.sqrt(2) + math.sqrt(12.5)) / 2),
    ],
)
def test_a_metric_has_the_value_worked_out_by_hand(
    metric: str, outputs: Any, targets: Any, expected: float
) -> None:
    measure = measure_of(complete(metric=metric))
    assert measure is not None
    found = measure(np.asarray(outputs, np.float32), np.asarray(targets))
    assert found == pytest.approx(expected)


def test_balanced_accuracy_of_a_part_without_some_class_warns_of_nothing(
    recwarn: pytest.WarningsRecorder,
) -> None:
    measure = measure_of(complete(metric="balanced_accuracy"))
    assert measure is not None
    assert measure(LOGITS, np.array([0, 1, 0, 0, 1])) == pytest.approx((2 / 3 + 1) / 2)
    assert not recwarn.list


# Divergence


def negative(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.mse_loss(outputs, targets) - 1e6


@pytest.mark.parametrize(
    ("loss", "targets", "outputs", "limit"),
    [
        ("cross_entropy", torch.tensor([0, 1, 2]), 3, 10 * math.log(3)),
        ("bce", torch.tensor([[0.0, 1.0], [1.0, 1.0]]), 2, 10 * math.log(2)),
        ("mse", torch.tensor([[3.0], [4.0]]), 1, 10 * 12.5),
        (negative, torch.tensor([[3.0], [4.0]]), 1, math.inf),
    ],
)
def test_a_run_has_diverged_at_ten_times_the_loss_of_zero_outputs(
    loss: str | Callable[..., Tensor], targets: Tensor, outputs: int, limit: float
) -> None:
    assert Loss(complete(loss=loss)).limit(targets, outputs) == pytest.approx(limit)


@pytest.mark.parametrize("max_lr", [1.5, 1e30])
def test_a_diverged_regression_counts_with_the_metric_of_zero_outputs(max_lr: float) -> None:
    dataset = data(numbers)
    run = trained(complete(loss="mse", metric="rmse", max_lr=max_lr), dataset)
    outcome = run.outcome()
    assert outcome.status == "diverged"
    zeros = math.sqrt((dataset.test_labels**2).mean())
    assert outcome.measurements["test_metric"] == pytest.approx(zeros, rel=1e-6)


def correlation(outputs: Any, targets: Any) -> float:
    """Of outputs that are all zero it is 0, of others that are all equal NaN."""
    return float(np.corrcoef(outputs[:, 0], targets[:, 0])[0, 1]) if outputs.any() else 0.0


class Constant(SoftmaxRegression):
    """Gives the same outputs for all inputs."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(0 * x)


def test_a_metric_that_is_not_finite_counts_as_that_of_zero_outputs() -> None:
    trial = complete(loss="mse", metric=correlation, metric_goal="maximize", max_lr=0.01)
    run = TrainingRun(trial, to_device(data(numbers), CPU), Constant)
    run.train()
    assert run.outcome().measurements["test_metric"] == 0.0


def test_a_classification_counts_its_mistakes_beside_its_accuracy() -> None:
    trial = make_trial(metric=mistakes, metric_goal="minimize", steps=4)
    measured = TrainingRun(trial, digits(), SoftmaxRegression)
    measured.train()
    last = measured.curve[-1]
    assert last["test_metric"] == round(360 * (1 - last["test_accuracy"]))


# Checks before anything is trained


def matrix(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets) ** 2


def text(outputs: Any, targets: Any) -> str:
    return f"{len(outputs)} of {len(targets)}"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"loss": matrix, "metric": "r2"},
            (
                r"^loss 'matrix' must return the mean loss as a scalar tensor, got shape \[2, 1\] "
                r"for outputs \[2, 1\] and targets \[2, 1\]$"
            ),
        ),
        (
            {"loss": "mse", "metric": text, "metric_goal": "maximize"},
            r"^metric 'text' must return a number, got '2 of 2' for outputs \[2, 1\] and ",
        ),
    ],
)
def test_what_an_own_function_returns_is_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        check_model(SoftmaxRegression, Trial(**settings), data(numbers))


class Flat(SoftmaxRegression):
    """Gives outputs [n], as many write it for one target."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[:, 0]


def test_outputs_that_would_be_broadcast_against_targets_are_rejected() -> None:
    with pytest.raises(ValueError, match=r"^model must give outputs \[n, 1\] for inputs \[n, 3\]"):
        check_model(Flat, Trial(loss="mse", metric="r2"), data(numbers))
