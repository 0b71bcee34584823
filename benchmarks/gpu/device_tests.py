"""Point 1: the tests that are about devices."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.gpu.report import Found, Settings
from benchmarks.recording import Figure

ROOT = Path(__file__).parents[2]
FILES = ("tests/training", "tests/execution/test_worker_failures.py")
"""Files with tests marked `device`, which need neither Ray nor a cluster."""
NEEDED = ("pytest", "hypothesis", "schedulefree")


def run(settings: Settings) -> Found:
    """Run them on the device."""
    if lacking := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        return Found({}, left_out=[f"the tests need {' and '.join(lacking)} (pip install)"])
    files = FILES[-1:] if settings.quick else FILES
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "device", *files]
    environment = {**os.environ, "SUPERCONV_TEST_DEVICE": settings.device.type}
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env=environment, check=False
    )
    passed, failed = (_count(word, done.stdout) for word in ("passed", "failed"))
    last = done.stdout.strip().splitlines()[-1:] or [done.stderr.strip()[-200:]]
    checks = {f"the tests about devices pass ({last[0]})": done.returncode == 0 and passed > 0}
    return Found(checks, [Figure("tests about devices", passed + failed, "")])


def _count(word: str, output: str) -> int:
    found = re.search(rf"(\d+) {word}", output)
    return int(found[1]) if found else 0
