from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from superconv_ray.training.optimizers import build_optimizer, eager, set_rates
from tests.training.made import (
    SoftmaxRegression,
    batches_by_hand,
    make_trial,
    new_run,
    trained,
    weight,
)


def test_weight_decay_on_weights_spares_biases_and_norm_parameters() -> None:
    trial = make_trial(weight_decay=0.1, weight_decay_on="weights")
    run = new_run(trial)
    decayed, spared = build_optimizer(trial, run.model).param_groups
    names = {id(p): name for name, p in run.model.named_parameters()}
    assert decayed["weight_decay"] == 0.1
    assert [names[id(p)] for p in decayed["params"]] == [
        "conv1.weight",
        "conv2.weight",
        "conv3.weight",
        "fc.weight",
    ]
    assert spared["weight_decay"] == 0.0
    assert [names[id(p)] for p in spared["params"]] == [
        *(f"bn{i}.{kind}" for i in (1, 2, 3) for kind in ("weight", "bias")),
        "fc.bias",
    ]


def test_weight_decay_on_all_is_one_group_of_everything() -> None:
    trial = make_trial(weight_decay=0.1)
    run = new_run(trial)
    (group,) = build_optimizer(trial, run.model).param_groups
    assert group["weight_decay"] == 0.1
    assert len(group["params"]) == len(list(run.model.parameters()))


@pytest.mark.parametrize("on", ["all", "weights"])
def test_only_what_is_decayed_shrinks_without_a_gradient(on: str) -> None:
    class Constant(nn.Module):
        def __init__(self, *, classes: int, **_: Any) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(classes, 2))
            self.bias = nn.Parameter(torch.ones(classes))

        def forward(self, x: Tensor) -> Tensor:
            logits: Tensor = 0 * (self.weight.sum(1) + self.bias)
            return logits.expand(len(x), -1)

    trial = make_trial(
        policy="constant", max_lr=0.5, momentum=0.0, steps=2, weight_decay=0.2, weight_decay_on=on
    )
    model = trained(trial, Constant).model
    # Two steps of w -= 0.5 * 0.2 * w.
    torch.testing.assert_close(model.weight, torch.full((10, 2), 0.81))
    torch.testing.assert_close(model.bias, torch.full((10,), 0.81 if on == "all" else 1.0))


def test_frozen_parameters_are_neither_trained_nor_counted() -> None:
    class Frozen(SoftmaxRegression):
        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            self.linear.weight.requires_grad_(False)

    run = new_run(make_trial(), Frozen)
    before = weight(run, "linear.weight")
    run.train()
    assert weight(run, "linear.weight") == before
    assert run.outcome().measurements["parameters"] == 10


@pytest.mark.parametrize("rule", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW])
@pytest.mark.parametrize("fused", [True, False])
def test_an_eager_optimizer_does_bit_for_bit_what_torchs_own_does(rule: Any, fused: bool) -> None:
    def weights_after_steps(make: Callable[..., torch.optim.Optimizer]) -> Tensor:
        torch.manual_seed(3)
        weights = nn.Parameter(torch.randn(50))
        momentum = {"momentum": 0.9} if rule is torch.optim.SGD else {}
        optimizer = make([weights], lr=0.1, weight_decay=0.01, fused=fused, **momentum)
        for step in range(6):
            optimizer.zero_grad()
            (weights**2 + weights.sin()).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if step == 3:
                state = optimizer.state_dict()
                optimizer = make([weights], lr=0.1, weight_decay=0.01, fused=fused, **momentum)
                optimizer.load_state_dict(state)
        return weights.detach()

    assert torch.equal(weights_after_steps(eager(rule)), weights_after_steps(rule))


def test_training_imports_nothing_of_torchs_compiler() -> None:
    """Else each worker would begin a second later."""
    look = (
        "import sys\n"
        "from tests.training.made import make_trial, new_run\n"
        "for optimizer in ('sgd', 'adam'):\n"
        "    run = new_run(make_trial(optimizer=optimizer))\n"
        "    run.train()\n"
        "    run.restore(run.state())\n"
        "    run.outcome()\n"
        "print({'torch._dynamo', 'sympy'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("optimizer", ["sgd", "nesterov"])
def test_set_rates_sets_learning_rate_and_momentum_of_sgd(optimizer: str) -> None:
    trial = make_trial(optimizer=optimizer, weight_decay=0.1, weight_decay_on="weights")
    built = build_optimizer(trial, new_run(trial).model)
    set_rates(built, 0.3, 0.7)
    assert [(g["lr"], g["momentum"]) for g in built.param_groups] == [(0.3, 0.7)] * 2
    assert [g["nesterov"] for g in built.param_groups] == [optimizer == "nesterov"] * 2


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_set_rates_sets_learning_rate_and_first_beta_of_adam(optimizer: str) -> None:
    trial = make_trial(optimizer=optimizer, beta2=0.9)
    built = build_optimizer(trial, new_run(trial).model)
    set_rates(built, 0.3, 0.7)
    (group,) = built.param_groups
    assert (group["lr"], group["betas"]) == (0.3, (0.7, 0.9))
    assert isinstance(built, torch.optim.AdamW) == (optimizer == "adamw")


def softmax_gradient(
    w: npt.NDArray[Any], b: npt.NDArray[Any], x: npt.NDArray[Any], y: npt.NDArray[Any]
) -> tuple[float, npt.NDArray[Any], npt.NDArray[Any]]:
    """Mean cross-entropy of softmax(x w^T + b), and its gradient by w and b."""
    scores = x @ w.T + b
    p = np.exp(scores - scores.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    loss = -np.log(p[np.arange(len(y)), y]).mean()
    p[np.arange(len(y)), y] -= 1
    p /= len(y)
    return float(loss), p.T @ x, p.sum(0)


SCHEDULES: dict[str, dict[str, Any]] = {
    "constant": {"policy": "constant"},
    "one_cycle": {"policy": "one_cycle", "steps": 12},
    "momentum of exactly 0": {"policy": "triangular", "steps": 10, "min_momentum": 0.0},
}


@pytest.mark.parametrize("optimizer", ["sgd", "nesterov"])
@pytest.mark.parametrize(
    "schedule_name",
    [
        "constant",
        "one_cycle",
        "momentum of exactly 0",
    ],
)
def test_the_steps_of_sgd_are_those_of_a_loop_written_in_numpy(
    optimizer: str, schedule_name: str
) -> None:
    trial = make_trial(
        optimizer=optimizer, weight_decay=0.01, eval_interval=1, **SCHEDULES[schedule_name]
    )
    run = new_run(trial, SoftmaxRegression)
    parameters = [p.detach().double().numpy().copy() for p in run.model.parameters()]
    velocity = [np.zeros_like(p) for p in parameters]
    batches, schedule = batches_by_hand(trial), trial.schedule()
    losses = []
    for step in range(10):
        lr, momentum = schedule(step)
        x, y = batches.batch(step)
        inputs = x.flatten(1).double().numpy()
        loss, *gradients = softmax_gradient(parameters[0], parameters[1], inputs, y.numpy())
        losses.append(loss)
        for i, gradient in enumerate(gradients):
            gradient = gradient + 0.01 * parameters[i]
            velocity[i] = momentum * velocity[i] + gradient if step else gradient
            update = gradient + momentum * velocity[i] if optimizer == "nesterov" else velocity[i]
            parameters[i] -= lr * update
    run.train(pause=lambda: run.step == 10)
    for got, expected in zip(run.model.parameters(), parameters, strict=True):
        np.testing.assert_allclose(got.detach().numpy(), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose([row["train_loss"] for row in run.curve], losses, rtol=1e-5)
    assert [row["lr"] for row in run.curve] == [schedule(step).lr for step in range(10)]
    assert [row["momentum"] for row in run.curve] == [schedule(s).momentum for s in range(10)]
