from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from superconv_ray.design.own_functions import OwnFunction
from superconv_ray.training.eager import eager
from superconv_ray.training.optimizers import build_optimizer, set_rates
from tests.own_code import sign_descent
from tests.training.made import (
    SoftmaxRegression,
    batches_by_hand,
    make_trial,
    needs_muon,
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
        "from superconv_ray.design.update_rules import OPTIMIZERS\n"
        "import torch\n"
        "missing = set() if hasattr(torch.optim, 'Muon') else {'muon'}\n"
        "for optimizer in OPTIMIZERS.keys() - missing:\n"
        "    run = new_run(make_trial(optimizer=optimizer, steps=2))\n"
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


@pytest.mark.parametrize(
    ("optimizer", "setting"),
    [
        ("rmsprop", "momentum"),
        ("adadelta", "rho"),
        ("schedule_free_sgd", "momentum"),
    ],
)
def test_momentum_is_set_as_what_it_is_to_the_optimizer(optimizer: str, setting: str) -> None:
    trial = make_trial(optimizer=optimizer)
    built = build_optimizer(trial, new_run(trial).model)
    set_rates(built, 0.3, 0.7)
    assert [(g["lr"], g[setting]) for g in built.param_groups] == [(0.3, 0.7)]


@needs_muon
def test_momentum_is_set_for_both_parts_of_muon() -> None:
    trial = make_trial(optimizer="muon")
    built = build_optimizer(trial, new_run(trial).model)
    set_rates(built, 0.3, 0.7)
    assert [(g["lr"], g.get("momentum"), g.get("betas")) for g in built.param_groups] == [
        (0.3, None, (0.7, 0.95)),
        (0.3, 0.7, None),
    ]


def test_an_optimizer_without_momentum_records_none() -> None:
    run = trained(make_trial(optimizer="adagrad", steps=2, eval_interval=1))
    assert [math.isnan(row["momentum"]) for row in run.curve] == [True, True]


Update = tuple[npt.NDArray[Any], npt.NDArray[Any]]


def _pytorchs_update(
    v: npt.NDArray[Any], g: npt.NDArray[Any], lr: float, momentum: float, optimizer: str
) -> Update:
    """Velocity, and what is taken from the weights, as torch.optim.SGD's documentation says."""
    v = momentum * v + g
    return v, lr * (g + momentum * v if optimizer == "nesterov" else v)


def _caffes_update(
    v: npt.NDArray[Any], g: npt.NDArray[Any], lr: float, momentum: float, optimizer: str
) -> Update:
    """The same as in Caffe's sgd_solver.cpp and nesterov_solver.cpp."""
    before, v = v, momentum * v + lr * g
    return v, (1 + momentum) * v - momentum * before if optimizer == "nesterov" else v


SCHEDULES: dict[str, dict[str, Any]] = {
    "constant": {"policy": "constant"},
    "one_cycle": {"policy": "one_cycle", "steps": 12},
    "momentum of exactly 0": {"policy": "triangular", "steps": 10, "min_momentum": 0.0},
    "lr of 0 at first": {"policy": "range_test_linear", "steps": 10, "min_momentum": 0.5},
}


@pytest.mark.parametrize("optimizer", ["sgd", "nesterov"])
@pytest.mark.parametrize("placement", ["outside", "inside"])
@pytest.mark.parametrize("schedule_name", SCHEDULES)
def test_the_steps_of_sgd_are_those_of_a_loop_written_in_numpy(
    optimizer: str, placement: str, schedule_name: str
) -> None:
    trial = make_trial(
        optimizer=optimizer,
        lr_placement=placement,
        weight_decay=0.01,
        eval_interval=1,
        **SCHEDULES[schedule_name],
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
            update = _pytorchs_update if placement == "outside" else _caffes_update
            velocity[i], change = update(velocity[i], gradient, lr, momentum, optimizer)
            parameters[i] -= change
    run.train(pause=lambda: run.step == 10)
    for got, expected in zip(run.model.parameters(), parameters, strict=True):
        np.testing.assert_allclose(got.detach().numpy(), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose([row["train_loss"] for row in run.curve], losses, rtol=1e-5)
    assert [row["lr"] for row in run.curve] == [schedule(step).lr for step in range(10)]
    assert [row["momentum"] for row in run.curve] == [schedule(s).momentum for s in range(10)]


def test_an_own_optimizer_gets_its_rates_and_keeps_its_weight_decay_unless_one_is_set() -> None:
    seen: list[tuple[float, float, float]] = []

    def watched(groups: Any) -> torch.optim.Optimizer:
        optimizer = sign_descent(groups)

        def note(*_: Any) -> None:
            (group,) = optimizer.param_groups
            seen.append((group["lr"], group["momentum"], group["weight_decay"]))

        optimizer.register_step_pre_hook(note)
        return optimizer

    trial = make_trial(policy="linear", max_lr=0.4, momentum=0.7, steps=4, optimizer=sign_descent)
    own = OwnFunction(watched)
    object.__setattr__(trial, "optimizer", own)
    trained(trial)
    assert seen == [pytest.approx((lr, 0.7, 0.01)) for lr in (0.4, 0.3, 0.2, 0.1)]
    seen.clear()
    trial = make_trial(steps=2, optimizer=sign_descent, weight_decay=0.3)
    object.__setattr__(trial, "optimizer", own)
    trained(trial)
    assert [weight_decay for _, _, weight_decay in seen] == [0.3, 0.3]
