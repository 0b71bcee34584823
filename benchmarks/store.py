"""Reading a large store, next to reading the files that Tune's own loggers leave for the same rows.

    python benchmarks/store.py [--trials 10000] [--rows 100] [--tune-trials 1000]

Made-up trials are written one by one as a worker writes them, and folded by `compact`. A fresh
process then times `trials()` and `curves()`. "ExperimentAnalysis" is how Tune reads an experiment,
from result.json; "read_csv" is pandas over the same trials' progress.csv. One trial is run and
logged by Tune itself, then copied under other ids. Tune's figures are of fewer trials, scaled up.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from superconv_ray import Trial, open_store
from superconv_ray.outcome import Outcome
from superconv_ray.tables import text_table

READS = 5
STEPS = 2000
BATCH = 128
COUNT = 6000
TARGET_SECONDS = {"trials": 0.5, "curves": 1.5}
TUNE_READS = ("ExperimentAnalysis", "read_csv")
TEMPLATE = Trial(
    dataset="fashion_mnist",
    model="resnet20",
    data_count=COUNT,
    data_fraction=0.1,
    batch_size=BATCH,
    steps=STEPS,
    max_lr=0.5,
    weight_decay=5e-4,
).complete()


def make_trials(count: int) -> Iterator[Trial]:
    """Trials over learning rates and seeds."""
    for index in range(count):
        seed = index // 20
        yield replace(TEMPLATE, max_lr=0.05 * (1 + index % 20), seed=seed, subset_seed=seed)


def make_curve(trial: Trial, rows: int) -> list[dict[str, Any]]:
    """Curve rows with as many digits as real ones, so that they compress as badly."""
    noise = random.Random(trial.id)
    schedule = trial.schedule()
    curve = []
    for row in range(1, rows + 1):
        step = row * STEPS // rows
        lr, momentum = schedule(step - 1)
        loss = 2.3 * math.exp(-3 * row / rows) + noise.uniform(0, 0.2)
        accuracy = 1 - loss / 2.6
        curve.append(
            {
                "step": step,
                "samples": step * BATCH,
                "epoch": step * BATCH / COUNT,
                "lr": lr,
                "momentum": momentum,
                "train_loss": loss,
                "train_accuracy": round(accuracy * 2560) / 2560,
                "test_loss": loss + noise.uniform(0, 0.3),
                "test_accuracy": round((accuracy - 0.05) * 1000) / 1000,
                "test_accuracy_reestimated": round((accuracy - 0.04) * 1000) / 1000,
                "eval_count": 1000,
                "train_seconds": 0.01 * step + noise.uniform(0, 0.01),
            }
        )
    return curve


def make_outcome(curve: list[dict[str, Any]]) -> Outcome:
    last = curve[-1]
    copied = ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "train_seconds")
    measurements = {
        "steps_done": STEPS,
        **{name: last[name] for name in copied},
        "test_accuracy_reestimated": last["test_accuracy"],
        "parameters": 272_474,
        "precision_used": "bf16",
        "device": "Some CPU @ 2.00GHz",
        "threads": 1,
        "eval_seconds": 0.1 * last["train_seconds"],
        "finished_at": datetime.now(UTC),
        "host": platform.node(),
        "package_version": "0.1.0",
        "torch_version": "2.14.0",
    }
    return Outcome("completed", measurements)


def write_store(folder: Path, trials: int, rows: int) -> dict[str, float]:
    """Write parts and compact them; seconds of both and bytes before and after."""
    store = open_store(folder)
    store.initialise()
    writing = 0.0
    for trial in make_trials(trials):
        curve = make_curve(trial, rows)
        outcome = make_outcome(curve)
        started = time.perf_counter()
        store.write_result(trial, outcome, curve)
        writing += time.perf_counter() - started
    before = bytes_in(folder)
    started = time.perf_counter()
    store.compact()
    return {
        "write": writing,
        "compact": time.perf_counter() - started,
        "bytes_parts": before,
        "bytes": bytes_in(folder),
    }


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def write_tune(folder: Path, trials: int, rows: int) -> Path:
    """One trial run by Tune with its default loggers, then copied; gives the experiment's folder."""
    import ray
    from ray import tune

    curve = make_curve(TEMPLATE, rows)

    def train(config: dict[str, Any]) -> None:  # noqa: ARG001
        for row in curve:
            tune.report(row)

    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="error")
    settings = {name: value for name, value in TEMPLATE.settings().items() if value is not None}
    results = tune.Tuner(
        train,
        param_space=settings,
        run_config=tune.RunConfig(name="experiment", storage_path=str(folder), verbose=0),
    ).fit()
    ray.shutdown()
    original = Path(results[0].path)
    trial_id = results[0].metrics["trial_id"]
    experiment = original.parent
    (state_file,) = experiment.glob("experiment_state-*.json")
    state = json.loads(state_file.read_text())
    (entry,) = state["trial_data"]
    copies = [f"{index:08x}_00000" for index in range(1, trials)]
    for copy in copies:
        target = experiment / original.name.replace(trial_id, copy)
        shutil.copytree(original, target)
        for name in ("progress.csv", "result.json"):
            text = (target / name).read_text()
            (target / name).write_text(text.replace(trial_id, copy))
    state["trial_data"] += [[text.replace(trial_id, copy) for text in entry] for copy in copies]
    state_file.write_text(json.dumps(state))
    return experiment


def read_store(folder: Path) -> dict[str, Any]:
    return {
        "trials": timed(lambda: open_store(folder).trials()),
        "curves": timed(lambda: open_store(folder).curves()),
        "peak": peak_memory(),
    }


def read_tune(folder: Path, way: str) -> dict[str, Any]:
    from ray import tune

    def analysis() -> pd.DataFrame:
        return pd.concat(tune.ExperimentAnalysis(folder).trial_dataframes.values())

    def read_csv() -> pd.DataFrame:
        return pd.concat(pd.read_csv(path) for path in folder.glob("*/progress.csv"))

    ways = {"ExperimentAnalysis": analysis, "read_csv": read_csv}
    return {"curves": timed(ways[way]), "peak": peak_memory()}


def timed(read: Callable[[], pd.DataFrame]) -> dict[str, Any]:
    seconds = []
    for _ in range(READS):
        started = time.perf_counter()
        frame = read()
        seconds.append(time.perf_counter() - started)
    return {"rows": len(frame), "best": min(seconds), "median": statistics.median(seconds)}


def peak_memory() -> int:
    """Bytes, the interpreter and imports included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def in_fresh_process(way: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--read", way, str(folder)]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--tune-trials", type=int, default=1000)
    parser.add_argument("--read", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read:
        way, folder = arguments.read[0], Path(arguments.read[1])
        print(json.dumps(read_tune(folder, way) if way in TUNE_READS else read_store(folder)))
        return
    trials, rows, tune_trials = arguments.trials, arguments.rows, arguments.tune_trials
    with tempfile.TemporaryDirectory() as scratch:
        written = write_store(Path(scratch) / "store", trials, rows)
        store = in_fresh_process("store", Path(scratch) / "store")
        experiment = write_tune(Path(scratch), tune_trials, rows)
        tune = {way: in_fresh_process(way, experiment) for way in TUNE_READS}
        tune_bytes = bytes_in(experiment) * trials / tune_trials
    assert store["trials"]["rows"] == trials
    assert store["curves"]["rows"] == trials * rows
    report(trials, rows, tune_trials, written, store, tune, tune_bytes)


def report(
    trials: int,
    rows: int,
    tune_trials: int,
    written: dict[str, float],
    store: dict[str, Any],
    tune: dict[str, dict[str, Any]],
    tune_bytes: float,
) -> None:
    print(f"store of {trials:,} trials with {rows} curve rows each; Tune's of {tune_trials:,}, scaled")
    lines = []
    for name, target in TARGET_SECONDS.items():
        read = store[name]
        ok = "ok" if read["median"] < target else "MISSED"
        line = [f"{name}()", f"{read['best']:.2f}", f"{read['median']:.2f}", f"< {target}", ok]
        lines.append([*line, "", f"{store['peak'] / 1e6:,.0f}"])
    for way, read in tune.items():
        assert read["curves"]["rows"] == tune_trials * rows
        best, median = (read["curves"][k] * trials / tune_trials for k in ("best", "median"))
        ratio = f"{median / store['curves']['median']:.0f}x"
        line = [way, f"{best:.1f}", f"{median:.1f}", "", "", ratio, f"{read['peak'] / 1e6:,.0f}"]
        lines.append(line)
    headings = ["", "best s", "median s", "target", "", "/ curves()", "peak MB"]
    print(text_table(headings, lines))
    print(
        f"a trial's row and curve are written in {1000 * written['write'] / trials:.1f} ms; "
        f"compact() took {written['compact']:.1f} s"
    )
    print(
        f"on disk: {written['bytes'] / 1e6:,.0f} MB, {written['bytes_parts'] / 1e6:,.0f} MB before "
        f"compact(), Tune's {tune_bytes / 1e6:,.0f} MB"
    )


if __name__ == "__main__":
    main()
