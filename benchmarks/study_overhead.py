"""What running a study costs on top of its training: wall time, driver CPU and driver memory.

    python benchmarks/study_overhead.py [--trials 300] [--function-trials 20] [--memory-trials 3000]

"study": trials of about 50 ms through the whole path, `run_plan` on Ray Tune, on 2 slots. "function":
the same trials as a plain Tune function trainable, with all of Tune's defaults. "memory": trials of
one step, so many that the driver's growth shows. Each is a process of its own. Let

    overhead per trial = (wall - training / slots) / trials,

where training sums the trials' train_seconds + eval_seconds. It counts from the end of the fourth
trial, when every slot is warm, to the end of the run, clean-up and compaction included; what was
before is "start". Driver CPU is of all threads of the driver in the same time.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from superconv_ray import Arm, Study, Trial, iterations
from superconv_ray.outcome import Outcome
from superconv_ray.plan import Plan, make_plan
from superconv_ray.planner import Planner
from superconv_ray.tables import text_table

SLOTS = 2
WARM_UP = 2 * SLOTS  # trials
LABELS = 200
BATCH = 32
TARGET_WALL_MS = 40
TARGET_CPU_MS = 10
TARGET_MEMORY_KB = 100


@dataclass(frozen=True)
class Mark:
    """A moment in the driver: wall clock, CPU seconds of all threads, resident bytes."""

    wall: float
    cpu: float
    memory: int


def mark() -> Mark:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Mark(time.perf_counter(), time.process_time(), pages * os.sysconf("SC_PAGE_SIZE"))


def plan_of(trials: int, steps: int, batch: int) -> Plan:
    """Trials that differ in their seed alone, and look at their curve as little as can be."""
    study = Study(
        name="overhead",
        base=Trial(data_count=LABELS, batch_size=batch, eval_interval=steps, eval_count=1),
        arms={"one_cycle": Arm(policy="one_cycle", max_lr=0.1)},
        budget=iterations(steps),
        seeds=trials,
    )
    return make_plan(study)


def start_ray() -> None:
    import ray

    ray.init(
        num_cpus=SLOTS, include_dashboard=False, log_to_driver=False, logging_level="warning"
    )


def run_study(plan: Plan) -> tuple[Mark, list[Mark], Mark, list[float]]:
    """Marks at the start, when each trial ended, and at the end; training seconds of each."""
    from rich.console import Console

    from superconv_ray.execution import session

    marks, training = [], []

    class MarkingPlanner(Planner):
        def tell(self, trial_id: str, outcome: Outcome) -> None:
            super().tell(trial_id, outcome)
            marks.append(mark())
            training.append(_training_seconds(outcome.measurements))

    begin = mark()
    start_ray()
    with (
        tempfile.TemporaryDirectory() as store,
        patch.object(session, "Planner", MarkingPlanner),
    ):
        summary = session.run_plan(plan, session.RunOptions(store=store), Console(file=io.StringIO()))
        end = mark()
    if summary.failed or summary.left:
        raise RuntimeError(f"the study did not go through: {summary}")
    return begin, marks, end, training


def run_function(plan: Plan) -> tuple[Mark, list[Mark], Mark, list[float]]:
    """The same as a Tune user would write it: load, train, report."""
    from ray import tune

    trials = plan.distinct_trials()
    marks, training = [], []

    def train(config: dict[str, Any]) -> None:
        import torch

        from superconv_ray.data.batches import to_device
        from superconv_ray.data.readers import load_dataset
        from superconv_ray.training import TrainingRun

        torch.set_num_threads(1)
        trial = replace(trials[0], seed=config["seed"], subset_seed=config["seed"])
        data = to_device(load_dataset(trial.dataset, None), torch.device("cpu"))
        run = TrainingRun(trial, data, trial.model)
        run.train()
        tune.report(dict(run.outcome().measurements))

    class Marking(tune.Callback):  # type: ignore[misc]
        def on_trial_complete(
            self, iteration: int, trials: list[Any], trial: Any, **info: Any
        ) -> None:
            marks.append(mark())
            training.append(_training_seconds(trial.last_result))

    begin = mark()
    start_ray()
    with tempfile.TemporaryDirectory() as folder:
        tune.Tuner(
            train,
            param_space={"seed": tune.grid_search([trial.seed for trial in trials])},
            run_config=tune.RunConfig(storage_path=folder, verbose=0, callbacks=[Marking()]),
        ).fit()
        end = mark()
    return begin, marks, end, training


def _training_seconds(measurements: Any) -> float:
    return float(measurements["train_seconds"] + measurements["eval_seconds"])


def figures(run: tuple[Mark, list[Mark], Mark, list[float]]) -> dict[str, float]:
    begin, marks, end, training = run
    warm, trials = marks[WARM_UP - 1], len(marks) - WARM_UP
    spent = sum(training[WARM_UP:])
    early = min(len(marks) // 10, 300)
    return {
        "start_s": warm.wall - begin.wall,
        "training_ms": 1000 * spent / trials,
        "wall_ms": 1000 * (end.wall - warm.wall) / trials,
        "overhead_ms": 1000 * (end.wall - warm.wall - spent / SLOTS) / trials,
        "cpu_ms": 1000 * (end.cpu - warm.cpu) / trials,
        "memory_kb": (marks[-1].memory - marks[early - 1].memory) / 1000 / (len(marks) - early),
    }


def part(name: str, trials: int, steps: int) -> None:
    """One measurement, in a process of its own; prints its figures as JSON."""
    if name == "memory":
        plan = plan_of(trials, steps=1, batch=8)
    else:
        plan = plan_of(trials, steps, BATCH)
    print(json.dumps(figures((run_function if name == "function" else run_study)(plan))))


def measure(name: str, trials: int, steps: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--part", name, "--trials", str(trials)]
    result = subprocess.run(
        [*command, "--steps", str(steps)], stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--function-trials", type=int, default=20)
    parser.add_argument("--memory-trials", type=int, default=3000)
    parser.add_argument("--steps", type=int, default=30, help="steps a trial, for about 50 ms")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        part(arguments.part, arguments.trials, arguments.steps)
        return
    study = measure("study", arguments.trials, arguments.steps)
    function = measure("function", arguments.function_trials, arguments.steps)
    memory = measure("memory", arguments.memory_trials, arguments.steps)
    print(f"overhead of a study on {SLOTS} slots; digits, small_cnn, {arguments.steps} steps")
    runs = [
        (f"study, {arguments.trials} trials", study),
        (f"function trainable, {arguments.function_trials} trials", function),
        (f"study, {arguments.memory_trials} trials of 1 step", memory),
    ]
    columns = {
        "start s": "start_s",
        "training ms": "training_ms",
        "wall ms": "wall_ms",
        "overhead ms": "overhead_ms",
        "driver CPU ms": "cpu_ms",
        "memory KB": "memory_kb",
    }
    rows = [[name, *(f"{run[key]:.1f}" for key in columns.values())] for name, run in runs]
    print(text_table(["per trial", *columns], rows))
    checks = [
        ("overhead, wall ms", study["overhead_ms"], TARGET_WALL_MS),
        ("driver CPU ms", study["cpu_ms"], TARGET_CPU_MS),
        ("driver memory KB", memory["memory_kb"], TARGET_MEMORY_KB),
    ]
    rows = [
        [name, f"{value:.1f}", f"<= {target}", "ok" if value <= target else "MISSED"]
        for name, value, target in checks
    ]
    print()
    print(text_table(["per trial", "measured", "target", ""], rows))
    ratio = function["overhead_ms"] / study["overhead_ms"]
    print(f"overhead of the function trainable / of the study: {ratio:.0f}x")


if __name__ == "__main__":
    main()
