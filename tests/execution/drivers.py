"""Real driver processes, and waiting for what they do."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PATIENCE = 300.0
"""Seconds that a test waits for another process."""


@contextlib.contextmanager
def driver(study: Path, store: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A driver of a study; it is killed if it still runs at the end, even if it was stopped."""
    command = [sys.executable, str(study), "run", "--store", store, *options]
    folder = tempfile.mkdtemp(prefix="ray")  # short: Ray's sockets lie in it
    environment = {**os.environ, "RAY_TMPDIR": folder, "RAY_AUTH_MODE": "disabled"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()
            for log in Path(folder).glob("ray/session_*/logs/python-core-driver*.log"):
                print(log.read_text()[-2000:])  # pytest shows it where a test fails
            shutil.rmtree(folder, ignore_errors=True)


def wait_for(what: str, condition: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, f"not within {PATIENCE} s: {what}"
        time.sleep(0.05)
