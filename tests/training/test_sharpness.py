"""Curvatures at the end of a training, against torch's exact Hessians of small models."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn
from torch.func import functional_call

from superconv_ray.data.batches import prepare
from superconv_ray.training import sharpness as module
from superconv_ray.training.loop import TrainingRun
from superconv_ray.training.optimizers import evaluated_weights
from superconv_ray.training.sharpness import hessian_product, largest_eigenvalue, sharpness
from tests.training.made import make_trial, trained

CURVATURES = ("hessian_max", "hessian_max_relative")


def small(input_shape: tuple[int, ...], classes: int, dropout: float) -> nn.Module:
    """A convolution with batch norm and few weights, so that its Hessian fits in a table."""
    assert not dropout
    return nn.Sequential(
        nn.Conv2d(input_shape[0], 2, 3, stride=3),
        nn.BatchNorm2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8, classes),
    )


def exact(run: TrainingRun) -> tuple[float, float]:
    """Both curvatures of a run from the Hessian of all weights."""
    samples, model = run._samples, run.model.eval()
    part = samples.probe.first(module.COUNT)
    x = prepare(part.inputs.index_select(0, part.indices), samples.statistics)
    weights = dict(model.named_parameters())
    shapes = [(name, weight.shape, weight.numel()) for name, weight in weights.items()]
    flat = torch.cat([weight.detach().flatten() for weight in weights.values()])

    def loss(vector: Tensor) -> Tensor:
        parts = torch.split(vector, [size for *_, size in shapes])
        named = {name: own.view(shape) for (name, shape, _), own in zip(shapes, parts, strict=True)}
        return F.cross_entropy(functional_call(model, named, (x,)), part.targets())

    hessian = torch.func.hessian(loss)(flat).double()
    model.train()
    scale = flat.abs().double()
    relative = scale[:, None] * hessian * scale
    return tuple(float(torch.linalg.eigvalsh(h)[-1]) for h in (hessian, relative))  # type: ignore[return-value]


def curvatures(run: TrainingRun) -> list[float]:
    measured = run.outcome().measurements
    return [measured[name] for name in CURVATURES]


def finished(model: Any = small, **changes: Any) -> TrainingRun:
    return trained(make_trial(**{"sharpness": True, **changes}), model)


def test_they_are_the_largest_eigenvalues_of_the_exact_hessian() -> None:
    run = finished()
    assert curvatures(run) == pytest.approx(exact(run), rel=2e-3)


def test_samples_in_several_chunks_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    run = finished()
    whole = curvatures(run)
    monkeypatch.setattr(module, "CHUNK", 30)  # of 100 samples; the last chunk has 10
    assert curvatures(run) == pytest.approx(whole, rel=1e-4)


def test_a_run_in_bf16_is_measured_in_float32() -> None:
    run = finished(precision="bf16")
    assert curvatures(run) == pytest.approx(exact(run), rel=2e-3)


def test_a_change_of_scales_that_leaves_the_function_changes_only_the_absolute_one() -> None:
    run = finished()
    before, loss = curvatures(run), run.outcome().measurements["train_loss"]
    convolution, norm = cast("nn.Sequential", run.model)[0], cast("nn.Sequential", run.model)[1]
    with torch.no_grad():  # before batch norm, scales are divided out again
        for value in (convolution.weight, convolution.bias, norm.running_mean):
            cast("Tensor", value).mul_(3)
        cast("Tensor", norm.running_var).mul_(9)
    norm.eps *= 9  # type: ignore[assignment, operator]
    after = curvatures(run)
    assert run.outcome().measurements["train_loss"] == pytest.approx(loss, rel=1e-4)
    assert after[1] == pytest.approx(before[1], rel=5e-3)
    assert after[0] != pytest.approx(before[0], rel=5e-2)


def test_averaged_weights_are_measured_with_statistics_of_their_own() -> None:
    run = finished(optimizer="schedule_free_sgd", policy="constant")
    found = curvatures(run)
    with evaluated_weights(run._optimizer):
        stale = sharpness(run.model, run._samples, run._loss)
    assert found[0] != pytest.approx(stale["hessian_max"], rel=1e-2)
    assert np.isfinite(found).all()


def test_a_measurement_leaves_the_run_as_it_was() -> None:
    run = finished()
    state = {name: value.clone() for name, value in run.model.state_dict().items()}
    curvatures(run)
    assert run.model.training
    assert all(torch.equal(state[name], value) for name, value in run.model.state_dict().items())
    assert all(
        parameter.grad is None or parameter.grad.grad_fn is None
        for parameter in run.model.parameters()
    )


def test_without_the_setting_or_after_divergence_nothing_is_measured() -> None:
    assert not set(CURVATURES) & set(finished(sharpness=False).outcome().measurements)
    lost = finished(max_lr=1e8, precision="fp32")
    assert lost.diverged
    assert not set(CURVATURES) & set(lost.outcome().measurements)


def test_the_setting_leaves_the_training_as_it_is() -> None:
    with_it, without = finished(), finished(sharpness=False)
    assert with_it.trial.id != without.trial.id
    assert with_it.curve[-1]["test_loss"] == without.curve[-1]["test_loss"]


def test_a_product_is_that_of_the_hessian() -> None:
    # loss = a^2 b: H = [[2 b, 2 a], [2 a, 0]] at a = 3, b = 5.
    weights = [nn.Parameter(torch.tensor([3.0])), nn.Parameter(torch.tensor([5.0]))]
    loss = (weights[0] ** 2 * weights[1]).sum()
    found = hessian_product(loss, weights, np.array([1.0, 2.0]))
    np.testing.assert_allclose(found, [10 + 12, 6])


def test_a_weight_without_influence_has_no_curvature() -> None:
    weights = [nn.Parameter(torch.tensor([3.0])), nn.Parameter(torch.tensor([5.0]))]
    np.testing.assert_allclose(
        hessian_product((weights[0] ** 2).sum(), weights, np.array([1.0, 2.0])), [2, 0]
    )


@pytest.mark.parametrize(
    ("matrix", "largest"),
    [
        (np.diag([3.0, -7.0, 1.0, 2.0]), 3.0),  # the largest, not that of the largest size
        (np.diag([-4.0, -2.0, -3.0]), -2.0),
        (np.diag(np.linspace(0, 1, 60) ** 3), 1.0),
        (np.array([[5.0]]), 5.0),
        (np.zeros((4, 4)), 0.0),
    ],
)
def test_the_largest_eigenvalue_is_the_algebraically_largest(
    matrix: np.ndarray, largest: float
) -> None:
    found = largest_eigenvalue(lambda vector: matrix @ vector, len(matrix))
    assert found == pytest.approx(largest, rel=2e-3)


def test_a_loss_that_is_not_finite_has_no_curvature() -> None:
    assert math.isnan(largest_eigenvalue(lambda vector: np.full_like(vector, np.nan), 4))
