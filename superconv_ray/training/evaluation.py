"""Loss, accuracies and metric of a model on a part of the samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from superconv_ray.data.batches import prepare
from superconv_ray.data.streaming import in_order
from superconv_ray.training.batch_norm import reestimated_statistics
from superconv_ray.training.losses import Loss
from superconv_ray.training.metrics import Measure
from superconv_ray.training.samples import Part, Samples
from superconv_ray.training.sharpness import sharpness

EVAL_BATCH = 1_000


class Measured(NamedTuple):
    """Loss, accuracy (None without classes) and metric (None if it is accuracy).

    `correct` says of each sample whether it is classified correctly, in the order of the part: bool
    [n] on the CPU; None without classes.
    """

    loss: float
    accuracy: float | None
    metric: float | None
    correct: Tensor | None


class Scores(NamedTuple):
    """What was measured with running BN statistics, and with re-estimated ones."""

    running: Measured
    reestimated: Measured

    def columns(self, part: str) -> dict[str, float]:
        """Map names of columns to what was measured of a part of the samples."""
        values = {
            f"{part}_loss": self.running.loss,
            f"{part}_accuracy": self.running.accuracy,
            f"{part}_accuracy_reestimated": self.reestimated.accuracy,
            f"{part}_metric": self.running.metric,
            f"{part}_metric_reestimated": self.reestimated.metric,
        }
        return {name: value for name, value in values.items() if value is not None}

    def correctness(self, part: Part) -> dict[str, Any]:
        """Map names of columns to which samples of a whole test set are classified correctly.

        Eight samples are packed into a byte, in the order of the data set. Nothing without classes.

        Args:
            part: The test set that was evaluated.
        """
        running, again = self.running.correct, self.reestimated.correct
        if running is None or again is None:
            return {}
        found = {"test_count": len(running), "test_correct": packed(running, part.indices)}
        if not torch.equal(running, again):
            found["test_correct_reestimated"] = packed(again, part.indices)
        return found


def packed(correct: Tensor, indices: Tensor) -> bytes:
    """Pack into bits what is known of the samples with these indices, in the data set's order."""
    in_order = torch.empty_like(correct)
    in_order[indices.cpu()] = correct
    return np.packbits(in_order.numpy()).tobytes()


@dataclass(frozen=True, eq=False)
class Evaluator:
    """Evaluates a model as at test time, and leaves it in training mode.

    Attributes:
        model: The model.
        samples: The samples of its trial.
        loss: The loss of the trial.
        measure: Its metric; None if that is accuracy.
    """

    model: nn.Module
    samples: Samples
    loss: Loss
    measure: Measure | None = None

    def scores(
        self,
        part: Part,
        probe_count: int | None,
        *,
        only_reestimated: bool = False,
        diverged: bool = False,
    ) -> Scores:
        """Evaluate all samples of a part.

        The metric of a run that has diverged is that of outputs which are all zero: the outputs may
        be of any size, and one run would decide the mean over seeds. Where a metric is not finite,
        that of zeros stands for it, too. Accuracies are what they are.

        Args:
            part: What to evaluate.
            probe_count: Training samples to re-estimate BN statistics on; None: all of the probe.
            only_reestimated: Evaluate with re-estimated BN statistics alone, because the running
                ones are of other weights.
            diverged: Whether the run has diverged.
        """
        found = None if only_reestimated else self._evaluate(part, diverged)
        probe = self.samples.probe.first(probe_count)
        with reestimated_statistics(self.model, lambda: self._show(probe)) as has_statistics:
            again = self._evaluate(part, diverged) if found is None or has_statistics else found
        return Scores(found or again, again)

    def sharpness(self, *, only_reestimated: bool = False) -> dict[str, float]:
        """Measure the curvatures of `training.sharpness`.

        Args:
            only_reestimated: As for `scores`.
        """
        if not only_reestimated:
            return sharpness(self.model, self.samples, self.loss)
        with reestimated_statistics(self.model, lambda: self._show(self.samples.probe)):
            return sharpness(self.model, self.samples, self.loss)

    def _evaluate(self, part: Part, diverged: bool) -> Measured:
        self.model.eval()
        loss, count = 0.0, len(part.indices)
        has_classes = part.labels.ndim == 1
        kept, correct = [], []
        batches = torch.split(part.indices, EVAL_BATCH)
        for indices, inputs in zip(batches, in_order(part.inputs, batches), strict=True):
            outputs = self._outputs(inputs)
            y = part.labels.index_select(0, indices)
            loss += self.loss.total(outputs, y).item()
            if has_classes:
                correct.append(outputs.argmax(1) == y)
            if self.measure:
                kept.append(outputs.cpu())
        self.model.train()
        metric = self._metric(torch.cat(kept), part, diverged) if kept else None
        if not has_classes:
            return Measured(loss / count, None, metric, None)
        of_each = torch.cat(correct).cpu()
        return Measured(loss / count, of_each.sum().item() / count, metric, of_each)

    def _metric(self, outputs: Tensor, part: Part, diverged: bool) -> float | None:
        assert self.measure is not None
        targets = part.targets().cpu().numpy()
        if not diverged and outputs.isfinite().all():
            with np.errstate(all="ignore"):  # of outputs that are constant, or about to diverge
                value = self.measure(outputs.numpy(), targets)
            if math.isfinite(value):
                return value
        return self.measure(torch.zeros_like(outputs).numpy(), targets)

    def _show(self, part: Part) -> None:
        """Compute the model on a part in batches of nearly equal size."""
        batches = part.indices.chunk(math.ceil(len(part.indices) / EVAL_BATCH))
        for inputs in in_order(part.inputs, batches):
            self._outputs(inputs)

    @torch.no_grad()
    def _outputs(self, inputs: Tensor) -> Tensor:
        x = prepare(inputs, self.samples.statistics)
        return cast("Tensor", self.model(x).float())
