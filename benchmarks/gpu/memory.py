"""Point 6: a trial that runs out of memory is named, and the next one runs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.gpu.made import images, trial_of
from benchmarks.gpu.report import Found, Settings
from superconv_ray.execution.worker import Job, Worker
from superconv_ray.execution.worker_failures import LESS_MEMORY

BYTES = 2**50
"""More than any device has."""


class Greedy(nn.Module):
    """A model that asks for more memory than there is."""

    def __init__(self, input_shape: tuple[int, ...], classes: int, dropout: float) -> None:
        super().__init__()
        del input_shape, dropout
        self.layer = nn.Linear(1, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Fail."""
        return self.layer(torch.empty(BYTES, dtype=torch.uint8, device=x.device)[:1])  # type: ignore[no-any-return]


def run(settings: Settings) -> Found:
    """Run both trials on one worker."""
    data = images(256, (16, 16, 1))
    models: Mapping[str, Any] = {"greedy": Greedy}
    with tempfile.TemporaryDirectory() as folder:
        job = Job(store=folder, models=models, checkpoint_seconds=60.0, gpu=settings.on_gpu)
        worker = Worker(job, lambda _: data, print)
        outcomes = []
        for model in ("greedy", "small_cnn"):
            worker.start(trial_of(model=model, steps=4, data_count=64))
            outcomes.append(worker.work())
        failures = worker.store.failures()
    failed, after = outcomes
    assert failed is not None
    assert after is not None
    named = LESS_MEMORY in (failed.error or "") and len(failures) == 1
    return Found(
        {
            "a trial that asks for too much memory fails": failed.status == "failed",
            "its error names the cause and what to change": named,
            "the next trial of the same worker completes": after.status == "completed",
        }
    )
