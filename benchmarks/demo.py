"""Time of the quickstart study as `make demo` runs it: first, and again with a full store.

    python -m benchmarks.demo

Whole processes are timed in a fresh folder, from start to exit, on all cores of the machine. The
second run must find every trial in the store and train none.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.recording import Figure, add_save_flag, save
from superconv_ray.design.text import text_table

STUDY = Path(__file__).parents[1] / "studies" / "quickstart.py"
TARGET_SECONDS = {"first": 180, "again": 15}
LABELS = {"first": "first run", "again": "nothing left to train"}
RESULTS = "study quickstart: "
"""Where the results begin in what the study prints."""
SUMMARY = re.compile(r"(\d+) trials trained, (\d+) found in the store")


def run(folder: str) -> tuple[float, int, int, str]:
    """Return the seconds, the trials trained and found in the store, and the printed text.

    Raises:
        RuntimeError: The study failed, or did not print how many trials it trained.
    """
    command = [sys.executable, str(STUDY), "run", "--store", "results"]
    started = time.perf_counter()
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    elapsed = time.perf_counter() - started
    summary = SUMMARY.search(result.stdout)
    if result.returncode or summary is None:
        raise RuntimeError(f"exit code {result.returncode}:\n{result.stdout}\n{result.stderr}")
    return elapsed, int(summary[1]), int(summary[2]), result.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    add_save_flag(parser)
    arguments = parser.parse_args()
    rows: list[list[str]] = []
    measured: list[Figure] = []
    outputs: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, target in TARGET_SECONDS.items():
            elapsed, trained, found, printed = run(folder)
            outputs.append(printed.replace(f"{folder}/", ""))
            measured.append(Figure(f"quickstart study, {LABELS[name]}", round(elapsed), "s"))
            ok = elapsed <= target and (trained == 0 if name == "again" else found == 0)
            figures = [f"{elapsed:.1f}", f"<= {target}", str(trained), str(found)]
            rows.append([name, *figures, "ok" if ok else "MISSED"])
    print(f"the quickstart study through Ray Tune, {os.cpu_count()} CPUs")
    print(text_table(["run", "seconds", "target", "trained", "found", ""], rows))
    if arguments.save:
        save("demo", measured)
        save("quickstart", [], outputs[0][outputs[0].index(RESULTS) :])


if __name__ == "__main__":
    main()
