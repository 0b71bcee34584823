"""Point 2: the same study on the CPU and on the GPU."""

from __future__ import annotations

import tempfile
from typing import Any
from unittest.mock import patch

import pandas as pd

from benchmarks.gpu.made import images
from benchmarks.gpu.report import NEEDS_CUDA, Found, Settings
from benchmarks.recording import Figure
from superconv_ray import Arm, Study, Trial, from_range_test, iterations, open_store

FIRST_LOSS, MEAN_ACCURACY = 1e-3, 0.05
"""Largest difference: relative, of the loss before the first update; and of an arm's mean accuracy.

Rounding differs, and training amplifies it: single trainings may end elsewhere, means may not.
"""


def study(quick: bool) -> Study:
    """1cycle from a range test against a constant rate, in fp32."""
    return Study(
        name="agreement",
        base=Trial(dataset="made", model="small_cnn", batch_size=32, precision="fp32"),
        arms={
            "one_cycle": Arm(policy="one_cycle", max_lr=from_range_test(steps=32)),
            "constant": Arm(policy="constant", max_lr=0.01),
        },
        budget=iterations(8 if quick else 120),
        seeds=1 if quick else 5,
        datasets={"made": images(128 if quick else 2_000, (16, 16, 1))},
    )


def results(quick: bool, on_gpu: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Trainings, and their rows after the first step, of a local run."""
    with tempfile.TemporaryDirectory() as folder:
        with patch("torch.cuda.is_available", return_value=on_gpu):
            study(quick).run(folder, local=True, progress=False)
        store = open_store(folder)
        trials = store.trials("agreement", filters=[("kind", "==", "training")])
        first = store.curves("agreement", filters=[("step", "==", 1)])
    order: list[Any] = ["arm", "seed"]
    trials = trials.sort_values(order, ignore_index=True)
    return trials, trials[["trial_id", *order]].merge(first, on="trial_id")


def run(settings: Settings) -> Found:
    """Compare them; a CPU alone is compared with itself."""
    (cpu, cpu_first), (other, other_first) = (
        results(settings.quick, on_gpu) for on_gpu in (False, settings.on_gpu)
    )
    fixed = cpu["arm"] == "constant"  # the other arm's rate is chosen, and may be another one
    losses = [one.loc[one["arm"] == "constant", "train_loss"] for one in (cpu_first, other_first)]
    loss = float(((losses[1] - losses[0]).abs() / losses[0]).max())
    means = [one.groupby("arm")["test_accuracy"].mean() for one in (cpu, other)]
    accuracy = float((means[1] - means[0]).abs().max())
    where = "GPU" if settings.on_gpu else "a second run on the CPU"
    checks = {
        f"{where}: the loss before the first update is the CPU's within {FIRST_LOSS:g}": (
            loss <= FIRST_LOSS
        ),
        f"{where}: mean accuracies are the CPU's within {100 * MEAN_ACCURACY:g} points": (
            accuracy <= MEAN_ACCURACY
        ),
        f"{where}: the same trials ran": list(cpu.loc[fixed, "trial_id"])
        == list(other.loc[fixed, "trial_id"]),
    }
    figures = [
        Figure("largest relative difference of the first loss", float(f"{loss:.2g}"), ""),
        Figure("largest difference of an arm's mean accuracy", round(100 * accuracy, 2), "points"),
    ]
    return Found(checks, figures, [] if settings.on_gpu else [f"CPU against GPU: {NEEDS_CUDA}"])
