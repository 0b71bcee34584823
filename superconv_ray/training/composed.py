"""Update rules that are composed of torch's optimizers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from superconv_ray.training.eager import eager


class RateInsideMomentum:
    """SGD with the learning rate inside the momentum buffer, as in Caffe.

    Plain: v <- mu v + lr (g + wd w), then w <- w - v. Nesterov: the same v, and w moves by
    -(lr (g + wd w) + mu v), which is Caffe's -((1 + mu) v - mu v_before). Torch's SGD does this if
    it takes gradients and weight decay that are multiplied by lr, and a learning rate of 1. Where
    lr does not change, both placements are the same.

    Source: Caffe, sgd_solver.cpp and nesterov_solver.cpp.

    Args:
        sgd: The optimizer, with the momentum outside.
    """

    def __init__(self, sgd: torch.optim.Optimizer) -> None:
        self._sgd = sgd

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of the optimizer inside."""
        return self._sgd.param_groups

    def zero_grad(self) -> None:
        """Drop the gradients."""
        self._sgd.zero_grad()

    def step(self) -> None:
        """Update the weights; gradients are multiplied by the learning rate in place."""
        given = [(group["lr"], group["weight_decay"]) for group in self.param_groups]
        for group, (lr, weight_decay) in zip(self.param_groups, given, strict=True):
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.mul_(lr)
            group.update(lr=1.0, weight_decay=lr * weight_decay)
        self._sgd.step()
        for group, (lr, weight_decay) in zip(self.param_groups, given, strict=True):
            group.update(lr=lr, weight_decay=weight_decay)

    def state_dict(self) -> dict[str, Any]:
        """State of the optimizer inside."""
        return self._sgd.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a `state_dict`."""
        self._sgd.load_state_dict(state_dict)


class MuonWithAdamW:
    """Muon for the hidden weights; AdamW for the output layer, biases and normalization.

    A hidden weight is a matrix, or the filters of a convolution as the rows of one. Updates of Muon
    are scaled to the root mean square of AdamW's, so that both take the same learning rate and
    weight decay.

    Source: `torch.optim.Muon`; which parameters it takes, Jordan's github.com/KellerJordan/Muon;
    the scale, arXiv 2502.16982, section 2.2.

    Args:
        hidden: Weights of at least two dimensions.
        groups: The other parameters, as AdamW takes them.
        weight_decay: Decoupled decay of the hidden weights.
        momentum: Muon's momentum and AdamW's beta1.
        beta2: AdamW's beta2.
    """

    def __init__(
        self,
        hidden: Sequence[nn.Parameter],
        groups: Iterable[dict[str, Any]],
        *,
        weight_decay: float,
        momentum: float,
        beta2: float,
    ) -> None:
        self._hidden = list(hidden)
        self._matrices = [_as_matrix(weight.detach()) for weight in self._hidden]
        self._rules = [eager(torch.optim.AdamW)(groups, lr=0.0, betas=(momentum, beta2), eps=1e-10)]
        if self._matrices:
            muon = eager(torch.optim.Muon)(
                self._matrices,
                lr=0.0,
                weight_decay=weight_decay,
                momentum=momentum,
                adjust_lr_fn="match_rms_adamw",
            )
            self._rules.append(muon)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of both optimizers; Muon's holds views of the hidden weights."""
        return [group for rule in self._rules for group in rule.param_groups]

    def zero_grad(self) -> None:
        """Drop the gradients."""
        for weight in self._hidden:
            weight.grad = None
        for rule in self._rules:
            rule.zero_grad()

    def step(self) -> None:
        """Update all parameters."""
        for weight, matrix in zip(self._hidden, self._matrices, strict=True):
            matrix.grad = None if weight.grad is None else _as_matrix(weight.grad)
        for rule in self._rules:
            rule.step()

    def state_dict(self) -> dict[str, Any]:
        """States of both optimizers."""
        return {"rules": [rule.state_dict() for rule in self._rules]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a `state_dict`."""
        for rule, state in zip(self._rules, state_dict["rules"], strict=True):
            rule.load_state_dict(state)


def _as_matrix(weight: Tensor) -> Tensor:
    """The filters of a convolution as rows; a view if they are in channels_last layout."""
    return weight.movedim(1, -1).flatten(1) if weight.ndim > 3 else weight.flatten(1)
