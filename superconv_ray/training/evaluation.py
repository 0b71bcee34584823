"""Loss and accuracies of a model on a part of the samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from superconv_ray.data.batches import prepare
from superconv_ray.training.batch_norm import reestimated_statistics
from superconv_ray.training.losses import Loss
from superconv_ray.training.samples import Part, Samples

EVAL_BATCH = 1_000


class Scores(NamedTuple):
    """Loss and accuracy with running BN statistics, and accuracy with re-estimated statistics."""

    loss: float
    accuracy: float
    reestimated: float


@dataclass(frozen=True, eq=False)
class Evaluator:
    """Evaluates a model as at test time, and leaves it in training mode."""

    model: nn.Module
    samples: Samples
    loss: Loss

    def scores(
        self, part: Part, probe_count: int | None, *, only_reestimated: bool = False
    ) -> Scores:
        """Evaluate all samples of a part.

        Args:
            part: What to evaluate.
            probe_count: Training samples to re-estimate BN statistics on; None: all of the probe.
            only_reestimated: Evaluate with re-estimated BN statistics alone, because the running
                ones are of other weights.
        """
        found = None if only_reestimated else self._evaluate(part)
        probe = self.samples.probe.first(probe_count)
        with reestimated_statistics(self.model, lambda: self._show(probe)) as has_statistics:
            again = self._evaluate(part) if found is None or has_statistics else found
        loss, accuracy = found or again
        return Scores(loss, accuracy, again[1])

    def _evaluate(self, part: Part) -> tuple[float, float]:
        self.model.eval()
        total = torch.zeros(2, dtype=torch.float64)
        for indices in torch.split(part.indices, EVAL_BATCH):
            logits = self._logits(part.inputs, indices)
            y = part.labels.index_select(0, indices)
            total[0] += self.loss.total(logits, y).cpu()
            total[1] += (logits.argmax(1) == y).sum().cpu()
        self.model.train()
        loss, accuracy = (total / len(part.indices)).tolist()
        return loss, accuracy

    def _show(self, part: Part) -> None:
        """Compute the model on a part in batches of nearly equal size."""
        for indices in part.indices.chunk(math.ceil(len(part.indices) / EVAL_BATCH)):
            self._logits(part.inputs, indices)

    @torch.no_grad()
    def _logits(self, inputs: Tensor, indices: Tensor) -> Tensor:
        x = prepare(inputs.index_select(0, indices), self.samples.statistics)
        return cast("Tensor", self.model(x).float())
