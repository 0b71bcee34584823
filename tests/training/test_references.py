"""Optimizers against their reference implementations, used as their authors say."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import schedulefree
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from superconv_ray.design.trial import CompleteTrial
from superconv_ray.training.loop import TrainingRun
from superconv_ray.training.optimizers import build_optimizer, set_rates
from tests.training.made import (
    SoftmaxRegression,
    batches_by_hand,
    held_out_part,
    make_trial,
    needs_muon,
    new_run,
    norms,
    trained,
    training_part,
    weight,
)

Make = Callable[[list[nn.Parameter]], torch.optim.Optimizer]

REFERENCES: dict[str, tuple[dict[str, Any], Make]] = {
    "adagrad": ({}, lambda p: torch.optim.Adagrad(p, weight_decay=0.01)),
    "adadelta": ({"momentum": 0.8}, lambda p: torch.optim.Adadelta(p, rho=0.8, weight_decay=0.01)),
    "rmsprop": (
        {"momentum": 0.7, "beta2": 0.95},
        lambda p: torch.optim.RMSprop(p, alpha=0.95, momentum=0.7, weight_decay=0.01),
    ),
    "adam": ({}, lambda p: torch.optim.Adam(p, weight_decay=0.01)),
    "adamw": ({}, lambda p: torch.optim.AdamW(p, weight_decay=0.01)),
}


def learn(
    model: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    trial: CompleteTrial,
    steps: int,
    set_lr: bool = True,
) -> nn.Module:
    """Train as anybody would without this package, with the trial's learning rates and batches."""
    batches, schedule = batches_by_hand(trial), trial.schedule()
    for step in range(steps):
        for optimizer in optimizers:
            optimizer.zero_grad()
            for group in optimizer.param_groups:
                group["lr"] = schedule(step).lr if set_lr else group["lr"]
        x, y = batches.batch(step)
        F.cross_entropy(model(x), y).backward()  # type: ignore[no-untyped-call]
        for optimizer in optimizers:
            optimizer.step()
    return model


def assert_same_weights(one: nn.Module, other: nn.Module, rtol: float = 1e-5) -> None:
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=rtol, atol=1e-6)


@pytest.mark.parametrize("optimizer", REFERENCES)
def test_an_optimizer_of_torch_trains_as_by_itself(optimizer: str) -> None:
    own, make = REFERENCES[optimizer]
    trial = make_trial(
        optimizer=optimizer, policy="cosine", max_lr=0.05, weight_decay=0.01, steps=20, **own
    )
    run = new_run(trial, SoftmaxRegression)
    theirs = copy.deepcopy(run.model)
    learn(theirs, [make(list(theirs.parameters()))], trial, 20)
    run.train()
    assert_same_weights(run.model, theirs)


class Perceptron(SoftmaxRegression):
    """Two hidden layers, whose weights are matrices."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        width = self.linear.in_features
        self.linear = nn.Sequential(  # type: ignore[assignment]
            *(nn.Linear(width, 24), nn.ReLU(), nn.Linear(24, 16), nn.ReLU(), nn.Linear(16, 10))
        )


@needs_muon
def test_muon_takes_hidden_matrices_and_adamw_the_output_layer_and_biases() -> None:
    trial = make_trial(
        optimizer="muon", policy="cosine", max_lr=0.02, momentum=0.9, weight_decay=0.1, steps=10
    )
    run = new_run(trial, Perceptron)
    theirs = copy.deepcopy(run.model)
    hidden = [
        p for name, p in theirs.named_parameters() if name in ("linear.0.weight", "linear.2.weight")
    ]
    others = [p for p in theirs.parameters() if not any(p is other for other in hidden)]
    muon = torch.optim.Muon(hidden, weight_decay=0.1, momentum=0.9, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(others, weight_decay=0.1, betas=(0.9, 0.95), eps=1e-10)
    learn(theirs, [muon, adamw], trial, 10)
    run.train()
    assert_same_weights(run.model, theirs)


@needs_muon
def test_muon_takes_the_filters_of_a_convolution_as_the_rows_of_a_matrix() -> None:
    """As KellerJordan/Muon: `update.view(len(update), -1)`."""
    trial = make_trial(optimizer="muon", policy="constant", max_lr=0.02, momentum=0.9)
    run = new_run(trial)
    filters = run.model.get_parameter("conv2.weight")
    before = filters.detach().clone()
    matrix = nn.Parameter(before.contiguous().flatten(1).clone())
    reference: Any = torch.optim.Muon(
        [matrix], lr=0.02, weight_decay=0.0, momentum=0.9, adjust_lr_fn="match_rms_adamw"
    )
    optimizer = build_optimizer(trial, run.model)
    for seed in range(3):
        gradient = torch.randn(before.shape, generator=torch.Generator().manual_seed(seed))
        for parameter in run.model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        filters.grad = gradient.to(memory_format=torch.channels_last)
        matrix.grad = gradient.flatten(1)
        set_rates(optimizer, 0.02, 0.9)
        optimizer.step()
        reference.step()
    moved = (filters.detach() - before).flatten(1)
    expected = matrix.detach() - before.flatten(1)
    # Muon computes in bf16, and the columns of the two matrices are in another order.
    assert (moved - expected).norm() < 0.02 * expected.norm()
    assert expected.norm() > 0.1


def test_muon_of_an_older_torch_says_which_one_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.optim, "Muon", raising=False)
    with pytest.raises(ValueError, match=r"optimizer 'muon' needs torch >= 2\.9, found torch 2"):
        new_run(make_trial(optimizer="muon"))


SCHEDULE_FREE: dict[str, Callable[[list[nn.Parameter]], Any]] = {
    "schedule_free_sgd": lambda p: schedulefree.SGDScheduleFree(
        p, lr=0.2, momentum=0.9, weight_decay=0.01, warmup_steps=8
    ),
    "schedule_free_adamw": lambda p: schedulefree.AdamWScheduleFree(
        p, lr=0.2, betas=(0.9, 0.999), weight_decay=0.01, warmup_steps=8
    ),
}


def schedule_free(optimizer: str, **changes: Any) -> CompleteTrial:
    settings: dict[str, Any] = {"policy": "constant", "warmup_fraction": 0.2, "weight_decay": 0.01}
    return make_trial(optimizer=optimizer, **settings | changes)


@pytest.mark.parametrize("optimizer", SCHEDULE_FREE)
def test_a_schedule_free_optimizer_is_its_authors_with_their_warm_up(optimizer: str) -> None:
    trial = schedule_free(optimizer)
    run = new_run(trial, SoftmaxRegression)
    theirs = copy.deepcopy(run.model)
    reference = SCHEDULE_FREE[optimizer](list(theirs.parameters()))
    reference.train()
    learn(theirs, [reference], trial, trial.steps, set_lr=False)
    run.train()
    assert_same_weights(run.model, theirs)  # at which gradients are taken
    reference.eval()
    x, y = held_out_part(trial)
    averaged = (theirs(x).argmax(1) == y).double().mean().item()
    measured = run.outcome().measurements
    assert measured["test_accuracy"] == pytest.approx(averaged, abs=0.005)


@pytest.mark.parametrize("optimizer", SCHEDULE_FREE)
def test_evaluations_do_not_change_what_a_schedule_free_optimizer_trains(optimizer: str) -> None:
    often, once = (trained(schedule_free(optimizer, eval_interval=n)) for n in (1, 40))
    assert len(often.curve) > len(once.curve)
    assert weight(often, "conv1.weight") == weight(once, "conv1.weight")


def test_averaged_weights_are_evaluated_with_bn_statistics_of_their_own() -> None:
    """As the authors require: the running statistics are of the weights that are trained."""
    run = trained(schedule_free("schedule_free_sgd"))
    measured = run.outcome().measurements
    assert measured["test_accuracy"] == measured["test_accuracy_reestimated"]
    assert measured["train_accuracy"] == measured["train_accuracy_reestimated"]
    assert measured["test_loss"] == pytest.approx(loss_of_averages(run), rel=1e-5)


def loss_of_averages(run: TrainingRun) -> float:
    """Test loss of the averaged weights, with BN statistics of the training samples."""
    model, optimizer = run.model, run._optimizer
    state: Any = optimizer.state_dict()["state"]
    for i, p in enumerate(p for group in optimizer.param_groups for p in group["params"]):
        z: Tensor = state[i]["z"]
        momentum = run.trial.momentum
        assert momentum
        p.data = (p.data - (1 - momentum) * z) / momentum  # y = beta x + (1 - beta) z
    for module in norms(model):
        module.reset_running_stats()
        module.momentum = None
    x, y = held_out_part(run.trial)
    with torch.no_grad():
        model(training_part(run.trial))
        return float(F.cross_entropy(model.eval()(x), y))
