"""Readers of a store of 100,000 trials and ten million curve rows, before and after compaction.

    python -m benchmarks.large_store [--trials 100000] [--rows 100]

Made-up trials of one study are written as by workers. "parts" is the store as it would be if nobody
had compacted it. "killed run" is what a run that was killed leaves: all trials are compacted but
the last few hundred. Each reader is a fresh process; its CPU time, wall time and peak memory count,
imports included. "continue" is what a run does before it trains: it reads and verifies every file
and rebuilds the planner.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from benchmarks.recording import Figure, add_save_flag, save
from benchmarks.store import make_curve, make_outcome
from superconv_ray import Study, Trial, grid, iterations, open_store
from superconv_ray.api.stored import study_status
from superconv_ray.design.building import make_plan
from superconv_ray.design.text import text_table
from superconv_ray.execution.recovery import recorded_outcomes
from superconv_ray.planning.planner import Planner
from superconv_ray.storage.compaction import compact
from superconv_ray.storage.integrity import set_aside_damaged
from superconv_ray.storage.writing import StoreWriter

LEARNING_RATES = 20
FRESH = 300
"""Trials that a killed run leaves as parts: as many as end between two of its compactions."""
MINUTE = 60.0
TARGETS = {
    ("parts", "status"): (MINUTE, 1000.0),
    ("killed run", "status"): (MINUTE, 1000.0),
    ("killed run", "continue"): (MINUTE, None),
    ("killed run", "curves()"): (10.0, 2500.0),
    ("killed run", "two columns"): (2.0, None),
}
"""Seconds and MB."""


def study(trials: int) -> Study:
    """Return a study of these trials, as many fresh ones, and some that are never done."""
    return Study(
        name="large",
        base=Trial(dataset="fashion_mnist", model="resnet20", data_count=6000, weight_decay=5e-4),
        sweep=grid(max_lr=[0.05 * (1 + i) for i in range(LEARNING_RATES)]),
        budget=iterations(2000),
        seeds=-(-(trials + 2 * FRESH) // LEARNING_RATES),
    )


def write(folder: Path, trials: int, rows: int, fresh: bool) -> int:
    """Write the trials, or the fresh ones that follow them, as workers do; return the first."""
    writer = StoreWriter(open_store(folder))
    writer.initialize()
    planned = (trial for cell in make_plan(study(trials)).cells for trial in cell.trainings)
    first, last = (trials, trials + FRESH) if fresh else (0, trials)
    for trial in islice(planned, first, last):
        curve = make_curve(trial, rows)
        writer.write_result(trial, make_outcome(curve), curve)
    return last - first


def compact_all(folder: Path) -> int:
    """Compact the store; return its number of trials."""
    store = open_store(folder)
    compact(store.files)
    return len(store.finished_ids())


def continue_run(folder: Path, trials: int) -> int:
    """Do what a run does before it trains; return the number of trials that it found."""
    store, plan = open_store(folder), make_plan(study(trials))
    set_aside_damaged(store.files, plan.study.name)
    return len(Planner(plan, recorded_outcomes(store, plan)).outcomes)


TWO_COLUMNS = ["trial_id", "test_accuracy"]
PARTS: dict[str, Callable[[Path, int, int], int]] = {
    "write": lambda folder, trials, rows: write(folder, trials, rows, fresh=False),
    "write fresh": lambda folder, trials, rows: write(folder, trials, rows, fresh=True),
    "compact": lambda folder, _, __: compact_all(folder),
    "status": lambda folder, trials, _: study_status(study(trials), folder).done,
    "continue": lambda folder, trials, _: continue_run(folder, trials),
    "curves()": lambda folder, _, __: len(open_store(folder).curves()),
    "two columns": lambda folder, _, __: len(open_store(folder).curves(columns=TWO_COLUMNS)),
}
READERS = ("status", "continue", "curves()", "two columns")


def measured(folder: Path, part: str, trials: int, rows: int) -> tuple[float, float, float]:
    """CPU seconds, wall seconds and peak MB of a part of the benchmark in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.large_store", "--part", part, str(folder)]
    command += ["--trials", str(trials), "--rows", str(rows)]
    started = time.perf_counter()
    with subprocess.Popen(command) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{part} exited with {process.returncode}")
    wall = time.perf_counter() - started
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=100)
    add_save_flag(parser)
    parser.add_argument("--part", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    trials, rows = arguments.trials, arguments.rows
    if arguments.part:
        part, folder = arguments.part
        print(f"{part}: {PARTS[part](Path(folder), trials, rows):,}", file=sys.stderr)
        return
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "store"
        found["", "write"] = measured(folder, "write", trials, rows)
        for reader in ("status", "continue"):
            found["parts", reader] = measured(folder, reader, trials, rows)
        found["parts", "compact"] = measured(folder, "compact", trials, rows)
        measured(folder, "write fresh", trials, rows)
        for reader in READERS:
            found["killed run", reader] = measured(folder, reader, trials, rows)
    report(trials, rows, found)
    if arguments.save:
        save(
            "large_store",
            [
                figure
                for (state, reader), (cpu, _, peak) in found.items()
                if reader in READERS
                for figure in (
                    Figure(f"{reader}, {trials:,} trials, {state}: CPU time", round(cpu, 1), "s"),
                    Figure(f"{reader}, {trials:,} trials, {state}: memory", round(peak), "MB"),
                )
            ],
        )


def report(
    trials: int, rows: int, found: dict[tuple[str, str], tuple[float, float, float]]
) -> None:
    lines = []
    for case, (cpu, wall, peak) in found.items():
        seconds, megabytes = TARGETS.get(case, (None, None))
        met = (seconds is None or cpu <= seconds) and (megabytes is None or peak <= megabytes)
        verdict = "" if seconds is None else "ok" if met else "MISSED"
        limits = [f"{limit:g}" if limit else "" for limit in (seconds, megabytes)]
        lines.append([*case, f"{cpu:.1f}", f"{wall:.1f}", f"{peak:,.0f}", *limits, verdict])
    print(f"store of {trials:,} trials with {rows} curve rows each")
    headings = ["store", "reader", "CPU s", "wall s", "peak MB", "<= s", "<= MB", ""]
    print(text_table(headings, lines, keys=2))


if __name__ == "__main__":
    main()
