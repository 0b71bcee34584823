"""Why a worker died: whether its trial may be to blame, and what to change.

Ray tells it in words only, and differently by how it learnt of it (measured with Ray 2.60; the
tests provoke each of them).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LOST_NODE = re.compile(
    r"its node has died"  # killed, shut down, or preempted
    r"|is unavailable"  # the node's sockets closed before the cluster knew that it was gone
    r"|receives a SIGTERM"  # a node that shuts down ends its workers first
)
_OUT_OF_MEMORY = re.compile(r"low on memory|out of memory|can't allocate memory|\bMemoryError\b")
LESS_MEMORY = (
    "out of memory: lower batch_size, or let fewer trials share the memory of a node or device: "
    "raise --cpus-per-trial or --gpus-per-trial"
)


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
    if _LOST_NODE.search(reason):
        return Death(True, "its node was lost")
    if advice := memory_advice(reason):
        return Death(False, advice)
    if "Traceback (most recent call last)" in reason:  # in setting up, or from the store
        return Death(False, reason.strip().splitlines()[-1])
    return Death(
        False,
        "its worker's process ended: it crashed, or the system killed it, most often for want of "
        "memory (dmesg tells); then lower batch_size or raise --cpus-per-trial",
    )


def memory_advice(error: str) -> str | None:
    """What to change, if an error is for want of memory, of the node or of its GPU."""
    return LESS_MEMORY if _OUT_OF_MEMORY.search(error) else None
