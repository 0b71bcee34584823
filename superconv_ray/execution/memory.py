"""The most memory that a process took since a moment: the thin edge to the system and to CUDA."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path

import torch

_PROCESS = Path("/proc/self")


def forget_peaks(device: torch.device) -> None:
    """From now on the peaks count anew.

    What torch's allocator keeps for later belongs to earlier trials, and is given back first.
    """
    # A process that has not used CUDA yet has taken nothing, and may not ask for a reset.
    if device.type == "cuda" and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    with contextlib.suppress(OSError):  # no such file but on Linux: then the peak is the process's
        (_PROCESS / "clear_refs").write_text("5")


def peaks(device: torch.device) -> dict[str, int]:
    """Column to bytes: of main memory, and of what torch's allocator held of a GPU."""
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
