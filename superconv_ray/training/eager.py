"""Torch's optimizers without torch's compiler."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import torch


@cache
def eager(rule: type[Any]) -> Callable[..., torch.optim.Optimizer]:
    """Return a torch optimizer without the wrappers that hide its methods from torch.compile.

    The wrappers import torch's compiler, which takes longer than the first training steps: 1.1 s of
    1.4 s.
    """
    names = ("add_param_group", "zero_grad", "state_dict", "load_state_dict", "step")
    methods = {name: inspect.unwrap(getattr(rule, name)) for name in names}
    return type(rule.__name__, (rule,), methods | {"step": torch.no_grad()(methods["step"])})
