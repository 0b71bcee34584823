"""What the acceptance run found, as JSON and as a page of the documentation."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from benchmarks.recording import FOLDER, Figure, processor
from benchmarks.tables import table

PATH = FOLDER / "gpu.json"
NEEDS_CUDA = "needs CUDA"
NOT_MEASURED = (
    "**No GPU has been measured yet.** `make gpu` on a machine with an NVIDIA GPU makes this page. "
    "Until then, no figure of this documentation is a GPU's, and tests run the same code on CPUs."
)


@dataclass(frozen=True)
class Settings:
    """How the acceptance run is made.

    Attributes:
        device: What is measured.
        quick: Only as much as shows that every point works, in seconds.
    """

    device: torch.device
    quick: bool = False

    @property
    def on_gpu(self) -> bool:
        """Whether a GPU is measured."""
        return self.device.type == "cuda"

    def wait(self) -> None:
        """Wait for what was queued on the device."""
        if self.on_gpu:
            torch.cuda.synchronize(self.device)


@dataclass(frozen=True)
class Found:
    """What one point found.

    Attributes:
        checks: What must hold -> whether it does.
        figures: What was measured.
        left_out: What this machine could not do, and why.
    """

    checks: Mapping[str, bool]
    figures: Sequence[Figure] = ()
    left_out: Sequence[str] = ()


@dataclass(frozen=True)
class Point:
    """One point of the acceptance run: its title, and what runs it."""

    title: str
    run: Callable[[Settings], Found]


def attempt(point: Point, settings: Settings) -> Found:
    """Run a point. An error is a finding: the other points run in any case."""
    try:
        return point.run(settings)
    except Exception as error:
        return Found({f"it runs ({type(error).__name__}: {error})": False})


def record_of(found: Mapping[str, Found], settings: Settings) -> dict[str, Any]:
    """Return the findings by title, with date and machine, as JSON can hold them."""
    return {
        "benchmark": "gpu",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(settings.device),
        "processor": processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {"torch": str(torch.__version__), "CUDA": str(torch.version.cuda)},
        "figures": [],  # the page of all benchmarks leaves this one out: it has its own
        "points": [
            {
                "title": title,
                "checks": dict(one.checks),
                "figures": [asdict(figure) for figure in one.figures],
                "left_out": list(one.left_out),
            }
            for title, one in found.items()
        ],
    }


def machine(device: torch.device) -> dict[str, str]:
    """The card with its driver; of a CPU its name alone."""
    if device.type != "cuda":
        return {"device": f"{processor()} (no GPU)"}
    facts = torch.cuda.get_device_properties(device)
    return {
        "device": facts.name,
        "memory": f"{facts.total_memory / 2**30:.0f} GiB",
        "compute capability": f"{facts.major}.{facts.minor}",
        "driver": _nvidia_smi("driver_version") or "unknown",
    }


def _nvidia_smi(field: str) -> str:
    command = ["nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.splitlines()[0].strip()


def write(record: Mapping[str, Any], path: Path) -> None:
    """Write the findings."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def as_text(record: Mapping[str, Any]) -> str:
    """The findings as Markdown, which a terminal shows as well."""
    return "\n".join(_lines(record))


def page(record: Mapping[str, Any] | None) -> str:
    """The documentation's page on GPUs. Findings of a machine without one are not shown.

    Args:
        record: As `record_of` returns it; None: there is none.
    """
    if record is None or "driver" not in record["machine"]:
        return NOT_MEASURED + "\n"
    return as_text(record)


def _lines(record: Mapping[str, Any]) -> Iterator[str]:
    facts = record["machine"].items()
    device = ", ".join(value if name == "device" else f"{name} {value}" for name, value in facts)
    versions = ", ".join(f"{name} {value}" for name, value in record["versions"].items())
    yield from (f"Run on {record['date']} on {device}; Python {record['python']}, {versions}.", "")
    for number, point in enumerate(record["points"], start=1):
        yield from (f"## {number}. {point['title']}", "")
        for what, holds in point["checks"].items():
            yield f"- {'holds' if holds else '**FAILS**'}: {what}"
        for what in point["left_out"]:
            yield f"- not run: {what}"
        yield ""
        if point["figures"]:
            yield from (*table(point["figures"]), "")
