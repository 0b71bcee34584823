"""Cost of running a study on top of its training: wall time, driver CPU and driver memory.

    python -m benchmarks.study_overhead [--trials 300] [--rounds 3] [--function-trials 20]
                                        [--memory-trials 3000]

"study" runs trials of about 50 ms through the whole path, `run_plan` on Ray Tune, on 2 slots.
"bare" is the cost of Tune alone when used as sparingly: warm actors that keep a core busy for 50
ms, no loggers, nothing stored. "function" runs the study's trials as a plain function trainable,
with all of Tune's defaults. "memory" runs so many trials of one step that the driver's growth
shows. Each is a process of its own; "study" and "bare" take turns, and ratios are those of a round,
so that other work on the machine affects both. Let

    overhead per trial = (wall - training / slots) / trials,

where training is the sum of the trials' train_seconds + eval_seconds. The measured period begins at
the end of the fourth trial, when every slot is warm, and ends with the run: Ray is stopped in both,
and a study's store is compacted. Everything before is "start". Driver CPU is that of all threads of
the driver in this period. Memory is the growth of the resident set from the 300th trial (or a tenth
of all) to the last.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.recording import Figure, add_save_flag, save
from superconv_ray import Study, Trial, iterations
from superconv_ray.design.building import make_plan
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.plan import Plan
from superconv_ray.design.text import text_table
from superconv_ray.planning.planner import Planner

SLOTS = 2
WARM_UP = 2 * SLOTS  # trials
EARLY = 300  # trials before the first measurement of memory
BARE_SECONDS = 0.05  # that a trial of "bare" takes
TARGET_WALL_MS = 40
TARGET_CPU_MS = 10
TARGET_MEMORY_KB = 100
WALL, CPU = "overhead ms", "driver CPU ms"
COLUMNS = ["start s", "training ms", "wall ms", WALL, CPU, "memory KB"]
Figures = dict[str, float]
"""Value by column."""


@dataclass(frozen=True)
class Mark:
    """State of the driver: wall clock, CPU seconds of all threads, resident bytes."""

    wall: float
    cpu: float
    memory: int


def mark() -> Mark:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Mark(time.perf_counter(), time.process_time(), pages * os.sysconf("SC_PAGE_SIZE"))


@dataclass
class Run:
    """Marks at the beginning, after each trial and at the end; training seconds per trial."""

    begin: Mark = field(default_factory=mark)
    trials: list[Mark] = field(default_factory=list)
    training: list[float] = field(default_factory=list)
    end: Mark | None = None

    def ended(self, measurements: Any) -> None:
        """Record the end of a trial."""
        self.trials.append(mark())
        self.training.append(measurements["train_seconds"] + measurements["eval_seconds"])

    def figures(self) -> dict[str, float]:
        """Return the columns of the table, per trial except for "start s"."""
        assert self.end is not None
        warm, counted = self.trials[WARM_UP - 1], len(self.trials) - WARM_UP
        wall, training = self.end.wall - warm.wall, sum(self.training[WARM_UP:])
        early = min(EARLY, len(self.trials) // 10)
        growth = self.trials[-1].memory - self.trials[early - 1].memory
        return {
            "start s": warm.wall - self.begin.wall,
            "training ms": 1000 * training / counted,
            "wall ms": 1000 * wall / counted,
            "overhead ms": 1000 * (wall - training / SLOTS) / counted,
            "driver CPU ms": 1000 * (self.end.cpu - warm.cpu) / counted,
            "memory KB": growth / 1000 / (len(self.trials) - early),
        }


def plan_of(trials: int, steps: int, batch: int) -> Plan:
    """Return trials that differ only in their seed, with as little evaluation as possible."""
    base = Trial(
        data_count=200,
        validation_fraction=0.2,
        batch_size=batch,
        eval_interval=steps,
        eval_count=1,
        policy="one_cycle",
        max_lr=0.1,
    )
    return make_plan(Study(name="overhead", base=base, budget=iterations(steps), seeds=trials))


def run_study(plan: Plan) -> Run:
    """Run the plan as `python study.py run` does."""
    from rich.console import Console

    from superconv_ray.execution import session

    run = Run()

    class MarkingPlanner(Planner):
        def tell(self, trial_id: str, outcome: Outcome) -> None:
            super().tell(trial_id, outcome)
            run.ended(outcome.measurements)

    cpus = len(os.sched_getaffinity(0)) / SLOTS
    with tempfile.TemporaryDirectory() as store:
        options = session.RunOptions(store=store, cpus_per_trial=cpus)
        with patch.object(session, "Planner", MarkingPlanner):
            summary = session.run_plan(plan, options, Console(file=io.StringIO()))
        run.end = mark()
    if summary.failed or summary.left:
        raise RuntimeError(f"the study did not go through: {summary}")
    return run


def run_function(plan: Plan) -> Run:
    """Run the trials as one would with Tune alone: load, train, report."""
    import ray
    from ray import tune

    run = Run()
    first, *others = plan.cells[0].trainings

    def train(config: dict[str, Any]) -> None:
        import torch

        from superconv_ray.data.batches import to_device
        from superconv_ray.data.readers import load_dataset
        from superconv_ray.training.loop import TrainingRun

        torch.set_num_threads(1)
        trial = replace(first, seed=config["seed"], subset_seed=config["seed"])
        data = to_device(load_dataset(trial.dataset, None), torch.device("cpu"))
        training = TrainingRun(trial, data, trial.model)
        training.train()
        tune.report(dict(training.outcome().measurements))

    class Marking(tune.Callback):  # type: ignore[misc]
        def on_trial_complete(self, trial: Any, **_: Any) -> None:
            run.ended(trial.last_result)

    ray.init(num_cpus=SLOTS, include_dashboard=False, log_to_driver=False, logging_level="warning")
    with tempfile.TemporaryDirectory() as folder:
        tune.Tuner(
            train,
            param_space={"seed": tune.grid_search([trial.seed for trial in (first, *others)])},
            run_config=tune.RunConfig(storage_path=folder, verbose=0, callbacks=[Marking()]),
        ).fit()
        run.end = mark()
    return run


def run_bare(plan: Plan) -> Run:
    """Run as little as Tune can be asked to do."""
    import ray
    from ray import tune
    from ray.tune.search import Searcher

    run = Run()
    seeds = [seed for trials in plan.distinct for seed in trials.seeds]

    class Busy(tune.Trainable):  # type: ignore[misc]
        def reset_config(self, new_config: dict[str, Any]) -> bool:  # noqa: ARG002
            return True

        def step(self) -> dict[str, Any]:
            until = time.perf_counter() + BARE_SECONDS
            while time.perf_counter() < until:
                pass
            return {"done": True}

    class Seeds(Searcher):  # type: ignore[misc]
        def suggest(self, trial_id: str) -> Any:  # noqa: ARG002
            return {"seed": seeds.pop()} if seeds else Searcher.FINISHED

        def on_trial_complete(self, *_: Any, **__: Any) -> None:
            run.ended({"train_seconds": BARE_SECONDS, "eval_seconds": 0.0})

    logging.getLogger("ray.tune.analysis.experiment_analysis").setLevel(logging.ERROR)
    os.environ |= {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "TUNE_GLOBAL_CHECKPOINT_S": "1e9"}
    ray.init(num_cpus=SLOTS, include_dashboard=False, log_to_driver=False, logging_level="warning")
    with tempfile.TemporaryDirectory() as folder:
        tune.Tuner(
            tune.with_resources(Busy, {"cpu": 1}),
            tune_config=tune.TuneConfig(
                search_alg=Seeds(),
                num_samples=-1,
                reuse_actors=True,
                max_concurrent_trials=SLOTS,
            ),
            run_config=tune.RunConfig(
                storage_path=folder,
                verbose=0,
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        ).fit()
        ray.shutdown()
        run.end = mark()
    return run


def in_fresh_process(part: str, trials: int, steps: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.study_overhead", "--part", part]
    command += ["--trials", str(trials), "--steps", str(steps)]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--function-trials", type=int, default=20)
    parser.add_argument("--memory-trials", type=int, default=3000)
    parser.add_argument("--steps", type=int, default=9, help="steps a trial, for about 50 ms")
    add_save_flag(parser)
    parser.add_argument("--part", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        plan = plan_of(arguments.trials, arguments.steps, 8 if arguments.part == "memory" else 32)
        run = {"bare": run_bare, "function": run_function}.get(arguments.part, run_study)
        print(json.dumps(run(plan).figures()))
        return
    if min(arguments.trials, arguments.function_trials, arguments.memory_trials) < 10:
        parser.error("each part needs at least 10 trials")
    rounds = [
        {
            part: in_fresh_process(part, arguments.trials, arguments.steps)
            for part in ("study", "bare")
        }
        for _ in range(arguments.rounds)
    ]
    study, bare = (medians([one[part] for one in rounds]) for part in ("study", "bare"))
    function = in_fresh_process("function", arguments.function_trials, arguments.steps)
    memory = in_fresh_process("memory", arguments.memory_trials, 1)

    print(f"overhead of a study on {SLOTS} slots; digits, small_cnn, {arguments.steps} steps")
    parts = {
        f"study, {arguments.trials} trials": study,
        f"bare, {arguments.trials} trials": bare,
        f"function, {arguments.function_trials} trials": function,
        f"memory, {arguments.memory_trials} trials": memory,
    }
    rows = [[name, *(f"{run[key]:.1f}" for key in COLUMNS)] for name, run in parts.items()]
    print(text_table(["per trial", *COLUMNS], rows))
    checks = [
        ("study: overhead ms", study["overhead ms"], TARGET_WALL_MS),
        ("study: driver CPU ms", study["driver CPU ms"], TARGET_CPU_MS),
        ("memory: memory KB", memory["memory KB"], TARGET_MEMORY_KB),
    ]
    rows = [
        [name, f"{value:.1f}", f"<= {target}", "ok" if value <= target else "MISSED"]
        for name, value, target in checks
    ]
    print(text_table(["per trial", "measured", "target", ""], rows))
    for key in (WALL, CPU):
        shown = ", ".join(f"{ratio:.2f}x" for ratio in ratios(rounds, key))
        print(f"{key} of a study / of bare Tune, by round: {shown}")
    print(f"{WALL} of a study / of a function trainable: {study[WALL] / function[WALL]:.3g}x")
    if arguments.save:
        save("study_overhead", saved_figures(rounds, function, memory, arguments.memory_trials))


def medians(runs: Sequence[Figures]) -> Figures:
    """Median of each column over rounds."""
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def ratios(rounds: Sequence[Mapping[str, Figures]], key: str) -> list[float]:
    """A column of "study" relative to that of "bare", in each round."""
    return [one["study"][key] / one["bare"][key] for one in rounds]


def saved_figures(
    rounds: Sequence[Mapping[str, Figures]], function: Figures, memory: Figures, memory_trials: int
) -> list[Figure]:
    """What the documentation shows."""
    study, bare = (medians([one[part] for one in rounds]) for part in ("study", "bare"))
    what = f"wall time that a trial of 50 ms takes on top of its training, {SLOTS} slots"
    alone = "with Tune alone, used as sparingly, storing nothing"
    kept = f"driver memory per finished trial, over {memory_trials:,} trials"
    slower, ours = (
        round(function[WALL] / study[WALL]),
        "this package's wall time on top of training",
    )
    by_round = "Tune alone; one value for each round"
    return [
        Figure(what, round(study[WALL]), "ms"),
        Figure("driver CPU time per trial", round(study[CPU], 1), "ms"),
        Figure(f"the same wall time {alone}", round(bare[WALL]), "ms"),
        Figure("the same driver CPU time with Tune alone", round(bare[CPU], 1), "ms"),
        Figure("wall time on top", [round(r, 2) for r in ratios(rounds, WALL)], "x", by_round),
        Figure("driver CPU time", [round(r, 2) for r in ratios(rounds, CPU)], "x", by_round),
        Figure("wall time of a plain function trainable", slower, "x", ours),
        Figure(kept, round(memory["memory KB"]), "KB"),
    ]


if __name__ == "__main__":
    main()
