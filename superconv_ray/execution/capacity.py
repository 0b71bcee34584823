"""Room for trials on the nodes of a cluster, and what is said when there is none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import ray

LOOK_SECONDS = 5.0
"""Time between two looks at the cluster's nodes."""
SAY_SECONDS = 20.0
"""Time without any running trial after which is said what is waited for."""
REPEAT_SECONDS = 600.0
"""Time after which it is said again: a cloud may be without spot nodes for hours."""
WAITING_TRIALS = 8
"""Trials that wait on an empty cluster: what is asked for is what makes an autoscaler add nodes."""

Node = Mapping[str, float]
"""Resource to amount, as Ray names them: CPU, GPU."""


@dataclass(frozen=True)
class Request:
    """What one trial needs of a node; a trial cannot be spread over two.

    Attributes:
        cpus: CPUs.
        gpus: GPUs, fractions allowed.
        memory_bytes: Main memory, of what Ray counts on the node.
    """

    cpus: float
    gpus: float
    memory_bytes: int = 0

    def __str__(self) -> str:
        return f"{self.cpus:g} CPUs and {self.gpus:g} GPUs"

    def resources(self) -> dict[str, float]:
        """What is asked for, by Ray's names."""
        wanted = {"CPU": self.cpus, "GPU": self.gpus, "memory": float(self.memory_bytes)}
        return {name: amount for name, amount in wanted.items() if amount}

    def slots(self, nodes: Iterable[Node]) -> int:
        """How many trials the nodes can run at once, if nobody else uses them."""
        wanted = self.resources().items()
        return sum(
            min((int(node.get(name, 0.0) / amount) for name, amount in wanted), default=1)
            for node in nodes
        )

    def misfit(self, nodes: Iterable[Node]) -> str:
        """In words, that no node has room for the trial, and what to do."""
        sizes = {
            f"{node.get('CPU', 0.0):g} CPUs and {node.get('GPU', 0.0):g} GPUs" for node in nodes
        }
        return (
            f"a trial of {self} does not fit any node of the cluster; its nodes have "
            f"{', or '.join(sorted(sizes)) or 'nothing'}: lower --cpus-per-trial or "
            "--gpus-per-trial, or add a node that is large enough"
        )


def cluster_nodes() -> list[Node]:
    """The resources of each node that is there now."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def slots_at_start(request: Request, say: Callable[[str], None]) -> int:
    """How many trials can run at once, or wait on a cluster that has no workers yet.

    Args:
        request: What a trial needs.
        say: Told if there are no workers yet.

    Raises:
        ValueError: No node has room for a trial, although there are some that run trials.
    """
    nodes = cluster_nodes()
    if slots := request.slots(nodes):
        return slots
    if any(node.get("CPU") for node in nodes):
        raise ValueError(request.misfit(nodes))
    hint = "" if request.gpus else "; if those to come have GPUs, give --gpus-per-trial to use them"
    say(f"no node runs trials yet: waiting for nodes with room for {request}{hint}")
    return WAITING_TRIALS


class RoomWatch:
    """Follows how much room there is; notices when no trial can run any more, or not yet.

    Args:
        request: What a trial needs.
        say: Told when trials wait for room, and now and then while they do.

    Attributes:
        request: What a trial needs now.
        slots: How many trials can run at once; of some seconds ago.
    """

    def __init__(self, request: Request, say: Callable[[str], None]) -> None:
        self.request = request
        self._say = say
        self._idle_since = self._looked_at = time.monotonic()
        self._say_after = SAY_SECONDS
        self.slots = request.slots(cluster_nodes())

    @property
    def may_wait(self) -> int:
        """How many trials should wait for room, so that an autoscaler sees what could be used."""
        return self.slots or WAITING_TRIALS

    def look(self, running: int) -> None:
        """Called often, with the number of trials that run."""
        now = time.monotonic()
        if running:
            self._idle_since, self._say_after = now, SAY_SECONDS
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        nodes = cluster_nodes()
        self.slots = self.request.slots(nodes)
        idle = now - self._idle_since
        if idle >= self._say_after:
            self._say_after = idle + REPEAT_SECONDS
            why = "workers still start, or others use the nodes that have room"
            why = why if self.slots else self.request.misfit(nodes)
            self._say(f"for {idle:.0f} s no trial runs: {why}")
