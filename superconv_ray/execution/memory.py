"""Peak memory of this process and of its GPU, since the peak counters were reset."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path

import torch

_PROCESS = Path("/proc/self")


def reset_peaks(device: torch.device) -> None:
    """Reset the peak counters.

    Memory that torch's allocator keeps belongs to earlier trials, and is returned first.
    """
    # Before a process uses CUDA there is nothing to reset, and torch refuses to.
    if device.type == "cuda" and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    with contextlib.suppress(OSError):  # only Linux has the file; elsewhere the peak is not reset
        (_PROCESS / "clear_refs").write_text("5")


def peaks(device: torch.device) -> dict[str, int]:
    """Return column to bytes: main memory, and what torch's allocator held of a GPU."""
    found = {"peak_memory_bytes": _peak_resident_bytes()}
    if device.type == "cuda":
        found["peak_gpu_memory_bytes"] = torch.cuda.max_memory_reserved(device)
    return found


def _peak_resident_bytes() -> int:
    with contextlib.suppress(OSError):
        for line in (_PROCESS / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
