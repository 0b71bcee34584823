"""The optimizers that a trial may name: what momentum is to them, and their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Final, Literal

from superconv_ray.design.own_functions import NameOrFunction, OwnFunction


@dataclass(frozen=True, kw_only=True)
class UpdateRuleFacts:
    """How an optimizer uses the settings of a trial.

    Attributes:
        momentum: What the trial's momentum is to it; None if it has none.
        momentum_varies: Whether momentum may change during a run.
        beta2: Default of the field beta2; None if the field is not used.
        weight_decay: "L2" adds to the gradient; "decoupled" shrinks weights by lr x weight_decay.
        lr_placement: Whether the learning rate can enter the momentum buffer.
        averages: Whether it evaluates an average of the weights rather than the last ones.
    """

    momentum: str | None
    momentum_varies: bool = True
    beta2: float | None = None
    weight_decay: Literal["L2", "decoupled"] = "L2"
    lr_placement: bool = False
    averages: bool = False

    @cached_property
    def unused_fields(self) -> tuple[str, ...]:
        """Fields of a trial that the optimizer ignores."""
        used = {
            "momentum": self.momentum is not None,
            "min_momentum": self.momentum is not None and self.momentum_varies,
            "beta2": self.beta2 is not None,
            "lr_placement": self.lr_placement,
        }
        return tuple(name for name, is_used in used.items() if not is_used)


_HEAVY_BALL = "factor of the momentum buffer"
_BETA1 = "beta1, decay rate of the averaged gradients"
_INTERPOLATION = "beta, how close to the average gradients are taken; constant"

OPTIMIZERS: Final[Mapping[str, UpdateRuleFacts]] = MappingProxyType(
    {
        "sgd": UpdateRuleFacts(momentum=_HEAVY_BALL, lr_placement=True),
        "nesterov": UpdateRuleFacts(momentum=_HEAVY_BALL, lr_placement=True),
        "adam": UpdateRuleFacts(momentum=_BETA1, beta2=0.999),
        "adamw": UpdateRuleFacts(momentum=_BETA1, beta2=0.999, weight_decay="decoupled"),
        "adagrad": UpdateRuleFacts(momentum=None),
        "adadelta": UpdateRuleFacts(momentum="rho, decay rate of both averages, as in Caffe"),
        "rmsprop": UpdateRuleFacts(momentum=_HEAVY_BALL, beta2=0.99),
        "muon": UpdateRuleFacts(
            momentum="factor of Muon's buffer (Nesterov), and AdamW's beta1",
            beta2=0.95,
            weight_decay="decoupled",
        ),
        "schedule_free_sgd": UpdateRuleFacts(
            momentum=_INTERPOLATION, momentum_varies=False, averages=True
        ),
        "schedule_free_adamw": UpdateRuleFacts(
            momentum=_INTERPOLATION,
            momentum_varies=False,
            beta2=0.999,
            weight_decay="decoupled",
            averages=True,
        ),
    }
)
"""All built-in optimizers by name."""

_OWN: Final = UpdateRuleFacts(momentum="set in groups that have momentum, betas or rho")


def optimizer_facts(optimizer: NameOrFunction) -> UpdateRuleFacts:
    """Facts about a built-in optimizer, or what holds for any of the user's own."""
    return _OWN if isinstance(optimizer, OwnFunction) else OPTIMIZERS[str(optimizer)]
