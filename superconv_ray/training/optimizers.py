"""The update rules of trials: torch's optimizers, and those built on them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, cast

import torch
from torch import nn

from superconv_ray.design.own_functions import OwnFunction
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.training.composed import MuonWithAdamW, RateInsideMomentum
from superconv_ray.training.eager import eager


class Optimizer(Protocol):
    """What the loop needs of an update rule; `torch.optim.Optimizer` has all of it."""

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Groups of parameters with their settings."""
        ...

    def zero_grad(self) -> None:
        """Drop the gradients."""
        ...

    def step(self) -> object:
        """Update the parameters."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to continue."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a `state_dict`."""
        ...


def build_optimizer(trial: CompleteTrial, model: nn.Module) -> Optimizer:
    """Return the trial's update rule for a model; `set_rates` must be called before every step.

    Raises:
        ValueError: This torch does not have the optimizer, or the user's own is none.
    """
    check_available(str(trial.optimizer))
    parameters = trainable(model)
    if isinstance(trial.optimizer, OwnFunction):
        return _own(trial, trial.optimizer, parameters)
    if trial.optimizer == "muon":
        return _muon(trial, parameters)
    rule, settings = _rule(trial)
    if rule in _FUSED:
        settings["fused"] = parameters[0].device.type in ("cpu", "cuda")
    optimizer: Any = eager(rule)(_by_decay(trial, parameters), lr=0.0, **settings)
    if averages(optimizer):
        optimizer.train()
    return RateInsideMomentum(optimizer) if trial.lr_placement == "inside" else optimizer


def check_available(optimizer: str) -> None:
    """Check that this torch has an optimizer.

    Raises:
        ValueError: It does not.
    """
    if optimizer == "muon" and not hasattr(torch.optim, "Muon"):
        raise ValueError(f"optimizer 'muon' needs torch >= 2.9, found torch {torch.__version__}")


def set_rates(optimizer: Optimizer, lr: float, momentum: float) -> None:
    """Set learning rate and momentum; what momentum is to each optimizer, see `update_rules`."""
    for group in optimizer.param_groups:
        group["lr"] = lr
        if "betas" in group:
            group["betas"] = (momentum, *group["betas"][1:])
        elif "momentum" in group:
            # With exactly 0, torch's SGD does not update its buffer: it is stale in the next step.
            group["momentum"] = momentum or sys.float_info.min
        elif "rho" in group:
            group["rho"] = momentum


@contextlib.contextmanager
def evaluated_weights(optimizer: Optimizer) -> Iterator[bool]:
    """Let the model have the weights that the optimizer wants evaluated, then those it trains.

    Schedule-free optimizers evaluate an average of the weights. Their `train` and `eval` compute
    one from the other and would round the weights at every evaluation, so the weights are kept.

    Yields:
        Whether the weights are others than those that are trained.
    """
    if not averages(optimizer):
        yield False
        return
    switch: Any = optimizer
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    kept = [p.detach().clone() for p in parameters]
    switch.eval()
    try:
        yield True
    finally:
        switch.train()
        with torch.no_grad():
            for parameter, value in zip(parameters, kept, strict=True):
                parameter.copy_(value)


def averages(optimizer: Optimizer) -> bool:
    """Whether an optimizer evaluates other weights than it trains, as schedule-free ones do."""
    return callable(getattr(optimizer, "train", None)) and callable(
        getattr(optimizer, "eval", None)
    )


def trainable(model: nn.Module) -> list[nn.Parameter]:
    """The parameters of a model that are trained."""
    return [p for p in model.parameters() if p.requires_grad]


_FUSED = (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW)
"""Rules whose step is one kernel on CPUs and GPUs alike."""


def _rule(trial: CompleteTrial) -> tuple[Any, dict[str, Any]]:
    """Return the class of an optimizer, and its settings except rates and weight decay."""
    momentum, beta2 = trial.momentum, trial.beta2
    match trial.optimizer:
        case "sgd" | "nesterov":
            nesterov = trial.optimizer == "nesterov"
            return torch.optim.SGD, {"momentum": momentum, "nesterov": nesterov}
        case "adam":
            return torch.optim.Adam, {"betas": (momentum, beta2)}
        case "adamw":
            return torch.optim.AdamW, {"betas": (momentum, beta2)}
        case "adagrad":
            return torch.optim.Adagrad, {}
        case "adadelta":
            return torch.optim.Adadelta, {"rho": momentum}
        case "rmsprop":
            return torch.optim.RMSprop, {"alpha": beta2, "momentum": momentum}
        case "schedule_free_sgd":
            from schedulefree import SGDScheduleFree

            return SGDScheduleFree, {"momentum": momentum}
        case "schedule_free_adamw":
            from schedulefree import AdamWScheduleFree

            return AdamWScheduleFree, {"betas": (momentum, beta2)}
    raise ValueError(f"optimizer {trial.optimizer!r} is not built in")


def _own(
    trial: CompleteTrial, factory: OwnFunction, parameters: Sequence[nn.Parameter]
) -> Optimizer:
    """Call the user's factory. Its own weight decay stands unless the trial sets one."""
    groups = _by_decay(trial, parameters) if trial.weight_decay else [{"params": [*parameters]}]
    optimizer: Any = factory.function(groups)
    names = ("param_groups", "zero_grad", "step", "state_dict", "load_state_dict")
    if missing := [name for name in names if not hasattr(optimizer, name)]:
        raise ValueError(
            f"optimizer {str(factory)!r} must return an optimizer as torch.optim.Optimizer is one; "
            f"a {type(optimizer).__name__} has no {', '.join(missing)}"
        )
    if not all("lr" in group for group in optimizer.param_groups):
        raise ValueError(
            f"optimizer {str(factory)!r} must have 'lr' in each of its param_groups: the schedule "
            "sets it before every step"
        )
    if averages(optimizer):
        optimizer.train()
    return cast("Optimizer", optimizer)


def _muon(trial: CompleteTrial, parameters: Sequence[nn.Parameter]) -> MuonWithAdamW:
    """Give Muon all weights but the last: in the order of use, that is the output layer."""
    hidden = [p for p in parameters if p.ndim >= 2][:-1]
    others = [p for p in parameters if not any(p is other for other in hidden)]
    return MuonWithAdamW(
        hidden,
        _by_decay(trial, others),
        weight_decay=trial.weight_decay,
        momentum=cast("float", trial.momentum),
        beta2=cast("float", trial.beta2),
    )


def _by_decay(trial: CompleteTrial, parameters: Sequence[nn.Parameter]) -> list[dict[str, Any]]:
    """Group parameters by their weight decay, as torch's optimizers take them."""
    spares = trial.weight_decay_on == "weights"
    groups = [
        {
            "params": [p for p in parameters if p.ndim >= 2 or not spares],
            "weight_decay": trial.weight_decay,
        },
        {"params": [p for p in parameters if p.ndim < 2 and spares], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
