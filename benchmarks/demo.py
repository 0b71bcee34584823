"""The quickstart study as `make demo` runs it: from nothing, and again when all is in the store.

    python benchmarks/demo.py

Whole processes in a fresh folder, from start to exit, on as many cores as the machine has. The
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

from superconv_ray.design.text import text_table

STUDY = Path(__file__).parents[1] / "studies" / "quickstart.py"
TARGET_SECONDS = {"first": 180, "again": 15}
SUMMARY = re.compile(r"(\d+) trials trained, (\d+) found in the store")


def run(store: Path) -> tuple[float, int, int]:
    """Seconds, trials trained, trials found in the store.

    Raises:
        RuntimeError: The study failed, or does not say how many trials it trained.
    """
    command = [sys.executable, str(STUDY), "run", "--store", str(store)]
    started = time.perf_counter()
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    elapsed = time.perf_counter() - started
    summary = SUMMARY.search(result.stdout)
    if result.returncode or summary is None:
        raise RuntimeError(f"exit code {result.returncode}:\n{result.stdout}\n{result.stderr}")
    return elapsed, int(summary[1]), int(summary[2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, target in TARGET_SECONDS.items():
            elapsed, trained, found = run(Path(folder) / "results")
            ok = elapsed <= target and (trained == 0 if name == "again" else found == 0)
            figures = [f"{elapsed:.1f}", f"<= {target}", str(trained), str(found)]
            rows.append([name, *figures, "ok" if ok else "MISSED"])
    print(f"the quickstart study through Ray Tune, {os.cpu_count()} CPUs")
    print(text_table(["run", "seconds", "target", "trained", "found", ""], rows))


if __name__ == "__main__":
    main()
