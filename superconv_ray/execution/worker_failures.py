"""Why a worker died: whether its trial may be to blame, and what to change.

Ray reports the cause as text only, with a wording that depends on how it noticed (Ray 2.60; the
tests provoke each wording).
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
_UNSUITED = "(?:NOT_SUPPORTED|BAD_PARAM|INVALID_VALUE|ARCH_MISMATCH)"
"""Statuses with which NVIDIA's libraries refuse a call. The GPU is fine; often it is the model."""
_BROKEN_DEVICE = re.compile(
    rf"CUDA error: (?!\w+_STATUS_{_UNSUITED})"
    rf"|CU(?:DNN|BLAS)_STATUS_(?!{_UNSUITED})"
    r"|No CUDA GPUs are available"
)
# NVIDIA's libraries allocate memory that torch does not manage: CUBLAS_STATUS_ALLOC_FAILED,
# CUFFT_ALLOC_FAILED, CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED, ...
_OUT_OF_MEMORY = re.compile(
    r"low on memory|out of memory|MemoryError\b|std::bad_alloc"
    r"|(?i:can't|cannot|unable to) allocate (?:memory|[\d.]+ \w+ for an array)"
    r"|\b[A-Z]+_(?:STATUS_)?(?:INTERNAL_ERROR_[A-Z]+_)?ALLOC(?:ATION)?_FAILED\b"
)
LESS_MEMORY = (
    "out of memory: lower batch_size, or let fewer trials share the memory of a node or device: "
    "raise --cpus-per-trial or --gpus-per-trial"
)


class BrokenDeviceError(RuntimeError):
    """CUDA has failed and will keep failing in this process, which must end."""


def breaks_device(error: str) -> bool:
    """Return whether an error leaves a process unable to use CUDA."""
    return bool(_BROKEN_DEVICE.search(error)) and memory_advice(error) is None


@dataclass(frozen=True)
class Death:
    """The death of a worker during a trial.

    Attributes:
        blameless: The node or the cluster ended, which would have stopped any trial.
        cause: What happened and, where something helps, what to change.
    """

    blameless: bool
    cause: str


def judge(reason: str) -> Death:
    """Interpret what Ray says about a dead worker."""
    advice = memory_advice(reason)
    if _RAISED.search(reason):  # an exception, whatever its message quotes
        return Death(False, advice or reason.strip().splitlines()[-1])
    if _LOST_NODE.search(reason):
        return Death(True, "its node was lost")
    if advice:
        return Death(False, advice)
    return Death(
        False,
        "its worker's process ended: it crashed, or the system killed it, most often because it "
        "was out of memory (see dmesg); then lower batch_size or raise --cpus-per-trial",
    )


def memory_advice(error: str) -> str | None:
    """Return what to change if a node or GPU was out of memory, else None."""
    return LESS_MEMORY if _OUT_OF_MEMORY.search(error) else None
