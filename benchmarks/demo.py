"""Time of the quickstart study as `make demo` runs it: first, and again with a full store.

    python -m benchmarks.demo

Whole processes are timed in a fresh folder, from start to exit, on all cores of the machine. The
second run must find every trial in the store and train none. Of the first run, the time of each
phase is named: a study of seconds waits longest for imports and for Ray.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.recording import Figure, add_save_flag, save
from superconv_ray.design.text import text_table

STUDY = Path(__file__).parents[1] / "studies" / "quickstart.py"
TARGET_SECONDS = {"first": 45, "again": 15}
START, TRAINING, END = "Python and the plan", "range tests and trainings", "end of Ray and results"
Mark = tuple[str, float]
"""A phase, and when it began."""
LABELS = {"first": "first run", "again": "nothing left to train"}
RESULTS = "study quickstart: "
"""Where the results begin in what the study prints."""
SUMMARY = re.compile(r"(\d+) trials trained, (\d+) found in the store")


def run(folder: str) -> tuple[float, int, int, str, list[Mark]]:
    """Return seconds, trials trained and found in the store, the printed text, and the phases.

    Raises:
        RuntimeError: The study failed, or did not print how many trials it trained.
    """
    marks = Path(folder) / "marks.json"
    command = [sys.executable, "-m", "benchmarks.demo", "--marks", str(marks)]
    environment = {**os.environ, "PYTHONPATH": str(STUDY.parents[1])}
    begun, started = time.time(), time.perf_counter()
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, env=environment
    )
    elapsed = time.perf_counter() - started
    summary = SUMMARY.search(result.stdout)
    if result.returncode or summary is None:
        raise RuntimeError(f"exit code {result.returncode}:\n{result.stdout}\n{result.stderr}")
    phases: list[Mark] = [(START, begun), *map(tuple, json.loads(marks.read_text()))]
    return elapsed, int(summary[1]), int(summary[2]), result.stdout, phases


def run_marked(marks: Path) -> None:
    """Run the study in this process, as its own file does, and write when its phases began."""
    from superconv_ray.execution.progress import Progress

    found: list[Mark] = []
    to_phase, to_started, to_ended = Progress.phase, Progress.started, Progress.ended
    last_end = [0.0]

    def phase(self: Progress, text: str) -> None:
        found.append((text, time.time()))
        to_phase(self, text)

    def started(self: Progress, trial: Any) -> None:
        if not last_end[0] and (not found or found[-1][0] != TRAINING):
            found.append((TRAINING, time.time()))
        to_started(self, trial)

    def ended(self: Progress, *arguments: Any) -> None:
        to_ended(self, *arguments)
        last_end[0] = time.time()

    with (
        patch.object(Progress, "phase", phase),
        patch.object(Progress, "started", started),
        patch.object(Progress, "ended", ended),
        patch.object(sys, "argv", [str(STUDY), "run", "--store", "results"]),
    ):
        try:
            runpy.run_path(str(STUDY), run_name="__main__")
        finally:
            end = [(END, last_end[0])] if last_end[0] else []
            marks.write_text(json.dumps([*found, *end]))


def seconds_of_phases(marks: Sequence[Mark], seconds: float) -> dict[str, float]:
    """Seconds of each phase of a run that took so long, in the order of the phases."""
    ends = [begun for _, begun in marks[1:]] + [marks[0][1] + seconds]
    found: dict[str, float] = {}
    for (name, begun), end in zip(marks, ends, strict=True):
        found[name] = found.get(name, 0.0) + end - begun
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    add_save_flag(parser)
    parser.add_argument("--marks", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.marks:
        run_marked(arguments.marks)
        return
    phases: dict[str, float] = {}
    rows: list[list[str]] = []
    measured: list[Figure] = []
    outputs: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, target in TARGET_SECONDS.items():
            elapsed, trained, found, printed, marks = run(folder)
            phases = phases or seconds_of_phases(marks, elapsed)
            outputs.append(printed.replace(f"{folder}/", ""))
            measured.append(Figure(f"quickstart study, {LABELS[name]}", round(elapsed), "s"))
            ok = elapsed <= target and (trained == 0 if name == "again" else found == 0)
            figures = [f"{elapsed:.1f}", f"<= {target}", str(trained), str(found)]
            rows.append([name, *figures, "ok" if ok else "MISSED"])
    print(f"the quickstart study through Ray Tune, {os.cpu_count()} CPUs")
    print(text_table(["run", "seconds", "target", "trained", "found", ""], rows))
    shown = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in phases.items())
    print(f"the first run: {shown}")
    if arguments.save:
        within = [Figure(f"first run: {name}", round(s, 1), "s") for name, s in phases.items()]
        save("demo", [*measured, *within])
        save("quickstart", [], outputs[0][outputs[0].index(RESULTS) :])


if __name__ == "__main__":
    main()
