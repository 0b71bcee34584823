"""Time to read a large store, compared with the files that Tune's loggers write for the same rows.

    python -m benchmarks.store [--trials 10000] [--rows 100] [--tune-trials 1000]

Made-up trials are written one by one as a worker writes them, and merged by `compact`. A fresh
process then times `trials()` and `curves()`. "ExperimentAnalysis" is how Tune's ResultGrid reads an
experiment, from result.json. "read_csv" reads progress.csv of the same trials with pandas. Tune
runs and logs one trial, which is copied under other ids; its times and bytes are measured on fewer
trials and scaled up. Peak memory is that of the whole process, imports included, and is not scaled.
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

from benchmarks.recording import Figure, add_save_flag, save
from superconv_ray import Trial, open_store
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.text import text_table
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.storage.compaction import compact
from superconv_ray.storage.writing import StoreWriter

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


def make_trials(count: int) -> Iterator[CompleteTrial]:
    """Yield trials over learning rates and seeds."""
    for index in range(count):
        seed = index // 20
        yield replace(TEMPLATE, max_lr=0.05 * (1 + index % 20), seed=seed, subset_seed=seed)


def make_curve(trial: CompleteTrial, rows: int) -> list[dict[str, Any]]:
    """Return curve rows with as many digits as real ones, so that they compress equally badly."""
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
    """Write parts and compact them. Return the seconds of both, and bytes before and after."""
    store = open_store(folder)
    StoreWriter(store).initialize()
    writing = 0.0
    for trial in make_trials(trials):
        curve = make_curve(trial, rows)
        outcome = make_outcome(curve)
        started = time.perf_counter()
        StoreWriter(store).write_result(trial, outcome, curve)
        writing += time.perf_counter() - started
    before = bytes_in(folder)
    started = time.perf_counter()
    compact(store.files)
    return {
        "write": writing,
        "compact": time.perf_counter() - started,
        "bytes_parts": before,
        "bytes": bytes_in(folder),
        "peak": peak_memory(),
    }


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def write_tune(folder: Path, trials: int, rows: int) -> None:
    """Let Tune run and log one trial in folder/experiment, then copy it under other ids."""
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


def read_store(folder: Path) -> dict[str, Any]:
    return {
        "trials": timed(lambda: open_store(folder).trials()),
        "curves": timed(lambda: open_store(folder).curves()),
        "peak": peak_memory(),
    }


def read_analysis(folder: Path) -> dict[str, Any]:
    from ray import tune

    def read() -> pd.DataFrame:
        frames: dict[str, pd.DataFrame] = tune.ExperimentAnalysis(folder).trial_dataframes
        return pd.concat(frames.values())

    return {"curves": timed(read), "peak": peak_memory()}


def read_csv(folder: Path) -> dict[str, Any]:
    def read() -> pd.DataFrame:
        return pd.concat(pd.read_csv(path) for path in folder.glob("*/progress.csv"))

    return {"curves": timed(read), "peak": peak_memory()}


def timed(read: Callable[[], pd.DataFrame]) -> dict[str, Any]:
    seconds = []
    for _ in range(READS):
        started = time.perf_counter()
        frame = read()
        seconds.append(time.perf_counter() - started)
    return {"rows": len(frame), "best": min(seconds), "median": statistics.median(seconds)}


def peak_memory() -> int:
    """Return the peak memory of the process in bytes, imports included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def in_fresh_process(part: str, folder: Path, trials: int, rows: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.store", "--part", part, str(folder)]
    command += ["--trials", str(trials), "--rows", str(rows)]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--tune-trials", type=int, default=1000)
    add_save_flag(parser)
    parser.add_argument("--part", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    trials, rows, tune_trials = arguments.trials, arguments.rows, arguments.tune_trials
    if arguments.part:
        part, folder = arguments.part[0], Path(arguments.part[1])
        parts: dict[str, Callable[[], Any]] = {
            "write_store": lambda: write_store(folder, trials, rows),
            "write_tune": lambda: write_tune(folder, trials, rows),
            "read_store": lambda: read_store(folder),
            "ExperimentAnalysis": lambda: read_analysis(folder),
            "read_csv": lambda: read_csv(folder),
        }
        print(json.dumps(parts[part]()))
        return
    with tempfile.TemporaryDirectory() as scratch:
        store, experiment = Path(scratch) / "store", Path(scratch) / "experiment"
        written = in_fresh_process("write_store", store, trials, rows)
        ours = in_fresh_process("read_store", store, trials, rows)
        in_fresh_process("write_tune", Path(scratch), tune_trials, rows)
        tune = {way: in_fresh_process(way, experiment, tune_trials, rows) for way in TUNE_READS}
        written["bytes_tune"] = bytes_in(experiment) * trials / tune_trials
    counts = [ours["trials"]["rows"], ours["curves"]["rows"]]
    counts += [read["curves"]["rows"] for read in tune.values()]
    assert counts == [trials, trials * rows, *[tune_trials * rows] * len(tune)], counts
    print(
        f"store of {trials:,} trials with {rows} curve rows each; Tune's {tune_trials:,} scaled up"
    )
    report(ours, tune, trials / tune_trials)
    print(
        f"write_result: {1000 * written['write'] / trials:.1f} ms a trial; "
        f"compact(): {written['compact']:.1f} s, peak {written['peak'] / 1e6:,.0f} MB"
    )
    print(
        f"on disk: {written['bytes'] / 1e6:,.0f} MB, {written['bytes_parts'] / 1e6:,.0f} MB before "
        f"compact(), {written['bytes_tune'] / 1e6:,.0f} MB of Tune's"
    )
    if arguments.save:
        reads = {name: ours[name]["median"] for name in TARGET_SECONDS}
        csv = tune["read_csv"]["curves"]["median"] * trials / tune_trials
        what = "time of `pd.read_csv` over the files of Tune's loggers"
        figures = [
            Figure(f"`trials()` of {trials:,} trials", round(reads["trials"], 2), "s"),
            Figure(f"`curves()` of {trials * rows:,} rows", round(reads["curves"], 2), "s"),
            Figure(what, round(csv / reads["curves"]), "x", "`curves()`"),
        ]
        save("store", figures)


def report(ours: dict[str, Any], tune: dict[str, dict[str, Any]], scale: float) -> None:
    lines = []
    for name, target in TARGET_SECONDS.items():
        best, median = ours[name]["best"], ours[name]["median"]
        verdict = "ok" if median < target else "MISSED"
        line = [f"{name}()", f"{best:.2f}", f"{median:.2f}", f"< {target}", verdict, ""]
        lines.append([*line, f"{ours['peak'] / 1e6:,.0f}"])
    for way, read in tune.items():
        best, median = scale * read["curves"]["best"], scale * read["curves"]["median"]
        ratio = f"{median / ours['curves']['median']:.0f}x"
        line = [way, f"{best:.1f}", f"{median:.1f}", "", "", ratio]
        lines.append([*line, f"{read['peak'] / 1e6:,.0f}"])
    headings = ["", "best s", "median s", "target", "", "/ curves()", "peak MB"]
    print(text_table(headings, lines))


if __name__ == "__main__":
    main()
