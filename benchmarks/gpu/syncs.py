"""Point 7: no step makes the CPU wait for the GPU, except the checks of the loss."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu.made import images, new_run, trial_of
from benchmarks.gpu.report import NEEDS_CUDA, Found, Settings
from superconv_ray.training.loop import CHECK_INTERVAL, TrainingRun

READS = ("aten::_local_scalar_dense", "aten::nonzero")
"""Operations that read a number off the device, and so wait for it."""
OPTIMIZERS = ("sgd", "nesterov", "adamw")


def run(settings: Settings) -> Found:
    """Watch the steps between two checks of the loss."""
    checks = {"the profiler sees what reads a number": _reads(lambda: torch.ones(1).item()) == 1}
    labels = 1024  # so that no epoch begins in the watched steps: its order is copied to the GPU
    data = images(labels, (16, 16, 1))
    for optimizer in OPTIMIZERS if settings.on_gpu else OPTIMIZERS[:2]:
        trial = trial_of(
            steps=10**6, dropout=0.1, optimizer=optimizer, precision="auto", data_count=labels
        )
        training = new_run(trial, data, settings.device)
        _until(training, 2 * CHECK_INTERVAL + 1)
        steps = partial(_until, training, 3 * CHECK_INTERVAL - 1)
        if settings.on_gpu:
            what, holds = "does not wait for the GPU, says torch", not _waits(steps)
        else:  # Adam counts its steps on the CPU, and reads them there
            what, holds = "reads no number", _reads(steps) == 0
        checks[f"{optimizer}: a step between checks of the loss {what}"] = holds
    left_out = [] if settings.on_gpu else [f"torch's own check for waits: {NEEDS_CUDA}"]
    return Found(checks, left_out=left_out)


def _until(run: TrainingRun, step: int) -> None:
    run.train(pause=lambda: run.step == step)


def _reads(work: Callable[[], object]) -> int:
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        work()
    return sum(event.count for event in seen.key_averages() if event.key in READS)


def _waits(work: Callable[[], object]) -> bool:
    """Whether torch sees an operation wait for the GPU."""
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        work()
    except RuntimeError as error:
        if "synchronizing" not in str(error):
            raise
        return True
    finally:
        torch.cuda.set_sync_debug_mode(before)
    return False
