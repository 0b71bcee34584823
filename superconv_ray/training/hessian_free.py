"""The learning rate that the curvature along the path of the weights suggests."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

SMOOTHING = 0.1
"""Weight of a new estimate in the smoothed one."""
_STATE = ("latest", "smoothed", "_moved", "_straight_on")


class HessianFreeEstimate:
    """Simplified Hessian-free estimates of the learning rate, one every `interval` steps.

    An estimate takes three successive iterates w0, w1, w2 of all trained parameters, those of the
    last two of `interval` steps: lr * sum |w1 - w0| / sum |2 w1 - w0 - w2|, with the learning rate
    lr of the step from w0 to w1. It is NaN if the first step moved nothing, if the path is
    straight, or if weights are not finite.

    For gradient descent at a constant rate, the estimate is the displacement over the change of the
    gradient: on a one-dimensional quadratic exactly 1 / curvature. With momentum or Adam, the
    displacement is not -lr times the gradient. The estimate then measures how straight the path is,
    in units of lr: compare it only between runs with the same optimizer and momentum. If the rate
    is so small that float32 rounds the steps away, the estimate is noise.

    Source: arXiv 1708.07120v3, eq. 8 summed over all weights, is `latest`. `smoothed` is 0.1 of a
    new estimate plus 0.9 of its last value, and starts at the first estimate.

    Args:
        parameters: The trained parameters, without buffers such as BN's running statistics.
        interval: Steps from one estimate to the next, at least 2.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], interval: int) -> None:
        self.latest = self.smoothed = math.nan
        self._parameters = list(parameters)
        self._interval = interval
        self._moved = math.nan  # lr * sum |w1 - w0|
        self._straight_on: Tensor | None = None  # 2 w1 - w0, where a straight path would lead

    @contextlib.contextmanager
    def watch(self, step: int, lr: float) -> Iterator[None]:
        """Wrap an optimizer step: the `step`-th of the run, from 0 on, at a learning rate."""
        left = -(step + 1) % self._interval  # steps to the next estimate, after this one
        before = self._weights() if left == 1 else None
        yield
        if before is not None:
            after = self._weights()
            move = after - before
            self._moved = lr * move.abs().sum().item()
            self._straight_on = after + move
        elif left == 0 and self._straight_on is not None:
            bend = (self._straight_on - self._weights()).abs().sum().item()
            self._straight_on = None
            there_is_one = 0 < self._moved < math.inf and 0 < bend < math.inf
            self._take(self._moved / bend if there_is_one else math.nan)

    def state(self) -> dict[str, Any]:
        """What `restore` needs to continue to the same numbers."""
        return {name: getattr(self, name) for name in _STATE}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a `state` of the same run."""
        for name in _STATE:
            setattr(self, name, state[name])

    def _take(self, estimate: float) -> None:
        self.latest = estimate
        if math.isnan(self.smoothed):
            self.smoothed = estimate
        elif not math.isnan(estimate):
            self.smoothed += SMOOTHING * (estimate - self.smoothed)

    def _weights(self) -> Tensor:
        return torch.cat([p.detach().flatten() for p in self._parameters])
