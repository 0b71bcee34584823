"""Point 3: the same bits from the same seed, also after an interruption, and what they cost."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.gpu.made import images, new_run, same_bits, trial_of
from benchmarks.gpu.report import NEEDS_CUDA, Found, Settings
from benchmarks.recording import Figure
from superconv_ray.data.dataset import Dataset
from superconv_ray.training.loop import TrainingRun

ROUNDS = 5


def run(settings: Settings) -> Found:
    """Train twice, train with an interruption, and measure the cost."""
    model = "small_cnn" if settings.quick else "resnet20"
    data = images(256, (12, 12, 1)) if settings.quick else images(2_000)
    trial = trial_of(model=model, deterministic=True, dropout=0.1, data_count=256)
    whole, again = (new_run(trial, data, settings.device) for _ in range(2))
    for one in (whole, again):
        one.train()
    begun, continued = (new_run(trial, data, settings.device) for _ in range(2))
    begun.train(pause=lambda: begun.step == 11)
    continued.restore(begun.state())
    continued.train()
    checks = {
        f"{model}, deterministic=True: the same seed gives the same bits twice": same_bits(
            whole, again
        ),
        f"{model}, deterministic=True: cut off and continued, it gives the same bits": same_bits(
            whole, continued
        ),
    }
    return Found(checks, _cost(model, data, settings), _left_out(settings))


def _left_out(settings: Settings) -> list[str]:
    return [] if settings.on_gpu else [f"cost of deterministic kernels, TF32: {NEEDS_CUDA}"]


def _cost(model: str, data: Dataset, settings: Settings) -> list[Figure]:
    """Time of a step, relative to fp32 without deterministic kernels, in interleaved rounds."""
    if not settings.on_gpu:
        return []
    kinds: Mapping[str, dict[str, Any]] = {
        "fp32": {},
        "fp32, deterministic=True": {"deterministic": True},
        "tf32": {"precision": "tf32"},
        "tf32, deterministic=True": {"precision": "tf32", "deterministic": True},
        "bf16": {"precision": "bf16"},
        "bf16, deterministic=True": {"precision": "bf16", "deterministic": True},
    }
    runs = {
        name: new_run(
            trial_of(model=model, batch_size=128, steps=10**6, **changes), data, settings.device
        )
        for name, changes in kinds.items()
    }
    for one in runs.values():
        _seconds(one, 64, settings)
    rounds = [
        {name: _seconds(one, 32, settings) for name, one in runs.items()} for _ in range(ROUNDS)
    ]
    return [
        Figure(
            f"time of a step of {model}, batch 128, {name}",
            round(statistics.median(one[name] / one["fp32"] for one in rounds), 2),
            "x",
            "fp32, which is never TF32",
        )
        for name in list(kinds)[1:]
    ]


def _seconds(run: TrainingRun, steps: int, settings: Settings) -> float:
    stop = run.step + steps
    started = time.perf_counter()
    run.train(pause=lambda: run.step == stop)
    settings.wait()
    return time.perf_counter() - started
