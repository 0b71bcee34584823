"""Why a worker died: whether its trial may be to blame, and what to change.

Ray tells it in words only, and differently by how it learnt of it (measured with Ray 2.60; the
tests provoke each of them).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_RAISED = re.compile(r"ray::[\w.]+\(\)\S* \(pid=\d+|in its creation task")
_LOST_NODE = re.compile(
    r"its node has died"  # killed, shut down, or preempted
    r"|The actor \w+ is unavailable"  # the node's sockets closed before it was known to be gone
    r"|receives a SIGTERM"  # a node that shuts down ends its workers first
)
_BROKEN_DEVICE = re.compile(r"CUDA error|CUDNN_STATUS|CUBLAS_STATUS|No CUDA GPUs are available")
_OUT_OF_MEMORY = re.compile(r"low on memory|out of memory|can't allocate memory|\bMemoryError\b")
LESS_MEMORY = (
    "out of memory: lower batch_size, or let fewer trials share the memory of a node or device: "
    "raise --cpus-per-trial or --gpus-per-trial"
)


class BrokenDeviceError(RuntimeError):
    """CUDA has failed, and fails at whatever this process does next: the process is to be ended."""


def breaks_device(error: str) -> bool:
    """Whether an error is of the kind after which CUDA is of no more use to a process."""
    return bool(_BROKEN_DEVICE.search(error)) and memory_advice(error) is None


@dataclass(frozen=True)
class Death:
    """The end of a worker in the midst of a trial.

    Attributes:
        blameless: It was the node's end, or the cluster's: any trial would have been cut off.
        cause: What happened, and where something can be done about it, what.
    """

    blameless: bool
    cause: str


def judge(reason: str) -> Death:
    """What Ray's words on a dead worker mean for the trial that it was at."""
    advice = memory_advice(reason)
    if _RAISED.search(reason):  # in setting up, or by a device that broke: whatever it may quote
        return Death(False, advice or reason.strip().splitlines()[-1])
    if _LOST_NODE.search(reason):
        return Death(True, "its node was lost")
    if advice:
        return Death(False, advice)
    return Death(
        False,
        "its worker's process ended: it crashed, or the system killed it, most often for want of "
        "memory (dmesg tells); then lower batch_size or raise --cpus-per-trial",
    )


def memory_advice(error: str) -> str | None:
    """What to change, if an error is for want of memory, of the node or of its GPU."""
    return LESS_MEMORY if _OUT_OF_MEMORY.search(error) else None
