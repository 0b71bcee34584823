"""The update rules of trials, as torch's optimizers."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, cast

import torch
from torch import nn

from superconv_ray.design.trial import CompleteTrial


def build_optimizer(trial: CompleteTrial, model: nn.Module) -> torch.optim.Optimizer:
    """Return the trial's update rule for a model; `set_rates` must be called before every step."""
    parameters = trainable(model)
    spared = [p for p in parameters if trial.weight_decay_on == "weights" and p.ndim < 2]
    decayed = [p for p in parameters if not any(p is other for other in spared)]
    groups = [
        {"params": decayed, "weight_decay": trial.weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    momentum = trial.momentum
    fused = parameters[0].device.type in ("cpu", "cuda")
    if trial.optimizer in ("sgd", "nesterov"):
        nesterov = trial.optimizer == "nesterov"
        return eager(torch.optim.SGD)(
            groups, lr=0.0, momentum=momentum, nesterov=nesterov, fused=fused
        )
    rule = torch.optim.AdamW if trial.optimizer == "adamw" else torch.optim.Adam
    return eager(rule)(groups, lr=0.0, betas=(momentum, cast("float", trial.beta2)), fused=fused)


def set_rates(optimizer: torch.optim.Optimizer, lr: float, momentum: float) -> None:
    """Set learning rate and momentum; for Adam, momentum is the first of its two betas."""
    for group in optimizer.param_groups:
        group["lr"] = lr
        if "betas" in group:
            group["betas"] = (momentum, group["betas"][1])
        else:
            # With exactly 0, torch's SGD does not update its buffer: it is stale in the next step.
            group["momentum"] = momentum or sys.float_info.min


@cache
def eager(rule: type[Any]) -> Callable[..., torch.optim.Optimizer]:
    """Return a torch optimizer without the wrappers that hide its methods from torch.compile.

    The wrappers import torch's compiler, which takes longer than the first training steps: 1.1 s of
    1.4 s.
    """
    names = ("add_param_group", "zero_grad", "state_dict", "load_state_dict", "step")
    methods = {name: inspect.unwrap(getattr(rule, name)) for name in names}
    return type(rule.__name__, (rule,), methods | {"step": torch.no_grad()(methods["step"])})


def trainable(model: nn.Module) -> list[nn.Parameter]:
    """The parameters of a model that are trained."""
    return [p for p in model.parameters() if p.requires_grad]
