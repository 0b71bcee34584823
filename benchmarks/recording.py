"""Figures of benchmarks as files: what was measured, when, on which processor, with which versions.

The documentation's benchmark page and the README's table are made from these files, see
`benchmarks.tables`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "results"
VERSIONS = ("torch", "ray", "pandas", "pyarrow")


@dataclass(frozen=True)
class Figure:
    """One measured number.

    Attributes:
        what: The quantity, and what it was measured on.
        value: The number, or one for each repetition.
        unit: Of the number; empty for a count.
        next_to: What a ratio is relative to; empty for an absolute number.
    """

    what: str
    value: float | Sequence[float]
    unit: str
    next_to: str = ""


def add_save_flag(parser: argparse.ArgumentParser) -> None:
    """Let a benchmark write its figures to `FOLDER`."""
    parser.add_argument("--save", action="store_true", help=f"write {FOLDER.name}/ of this folder")


def save(benchmark: str, figures: Sequence[Figure], output: str = "") -> None:
    """Write a benchmark's figures, with date, processor and versions.

    Args:
        benchmark: Name of its script.
        figures: What it measured.
        output: Text that the measured program printed, where the documentation shows it.
    """
    record: dict[str, Any] = {
        "benchmark": benchmark,
        "date": datetime.now(UTC).date().isoformat(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in VERSIONS},
        "figures": [asdict(figure) for figure in figures],
    }
    if output:
        record["output"] = output.splitlines()
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{benchmark}.json"
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(f"saved {path}")


def processor() -> str:
    """Name of the processor, as its maker gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def records() -> dict[str, dict[str, Any]]:
    """All saved records by benchmark."""
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(FOLDER.glob("*.json"))
    }
