"""A study of any size with made-up trials, planned as a real one and written as by a worker.

Pages and tables can be measured and tested with it at sizes that would take days to train.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from superconv_ray import Study, open_store
from superconv_ray.design.building import make_plan
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.plan import Plan
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.execution.record import StudyRecord
from superconv_ray.planning.planner import Planner, Signal
from superconv_ray.storage.compaction import compact
from superconv_ray.storage.store import Store
from superconv_ray.storage.writing import StoreWriter

ROWS = 20
"""Curve rows per trial."""


def write_made_study(study: Study, uri: str, plan: Plan | None = None) -> Store:
    """Plan a study, make up every trial's result, and write all of it to a store.

    Args:
        study: The study.
        uri: Path or URI of the store.
        plan: Plan of the study, if not all of its trials are to be written.
    """
    store = open_store(uri)
    StoreWriter(store).initialize()
    plan = plan or make_plan(study)
    planner = Planner(plan, lambda _: None)
    while not isinstance(trial := planner.next(), Signal):
        outcome = _outcome(trial)
        StoreWriter(store).write_result(trial, outcome, outcome.curve)
        planner.tell(trial.id, outcome)
    StudyRecord(store, plan).write(planner)
    compact(store.files)
    return store


def _outcome(trial: CompleteTrial) -> Outcome:
    """Return a result that is better with more labels and near max_lr 0.5, with seed noise."""
    noise = random.Random(trial.id)
    error = 0.6 * trial.data_count**-0.2 + 0.02 * math.log10(trial.max_lr / 0.5) ** 2
    accuracy = 1 - error + noise.gauss(0, 0.01)
    kind = "validation" if trial.validation_fraction else "test"
    measured = {
        f"{kind}_accuracy": accuracy,
        f"{kind}_accuracy_reestimated": accuracy + 0.001,
        f"{kind}_loss": 3 * error,
    }
    rows = list(_curve(trial, kind, accuracy, noise))
    return Outcome(
        "completed",
        {
            "steps_done": trial.steps,
            "train_loss": error,
            "train_accuracy": min(1.0, accuracy + 0.03),
            **measured,
            "parameters": 1000,
            "precision_used": "fp32",
            "device": "made up",
            "threads": 1,
            "train_seconds": 10.0,
            "eval_seconds": 1.0,
            "finished_at": datetime.now(UTC),
            "host": "made-up",
            "package_version": "0.1.0",
            "torch_version": "2.14.1",
        },
        curve=rows,
    )


def _curve(
    trial: CompleteTrial, kind: str, accuracy: float, noise: random.Random
) -> Iterator[dict[str, Any]]:
    schedule = trial.schedule()
    for row in range(1, ROWS + 1):
        step = math.ceil(row * trial.steps / ROWS)
        lr, momentum = schedule(step - 1)
        # The accuracy of a range test peaks during the run.
        share = 1 - (lr - 0.5) ** 2 / 9 if trial.kind == "range_test" else (row / ROWS) ** 0.3
        reached = max(0.1, accuracy * share + noise.gauss(0, 0.005))
        yield {
            "step": step,
            "samples": step * trial.batch_size,
            "epoch": step * trial.batch_size / trial.data_count,
            "lr": lr,
            "momentum": momentum,
            "train_loss": 2.3 * (1.05 - reached),
            "train_accuracy": reached,
            f"{kind}_loss": 2.3 * (1.1 - reached),
            f"{kind}_accuracy": reached,
            f"{kind}_accuracy_reestimated": reached,
            "eval_count": 1000,
            "train_seconds": step / 100,
        }
