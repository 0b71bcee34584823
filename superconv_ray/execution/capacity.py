"""How many trials the nodes of a cluster can run, and a warning while they can run none."""

from __future__ import annotations

import time
from collections.abc import Callable

import ray

from superconv_ray.execution.request import NodeResources, Request

LOOK_SECONDS = 5.0
"""Time between two checks of the cluster's nodes."""
SAY_SECONDS = 20.0
"""Time without a running trial after which the user is told what the run waits for."""
REPEAT_SECONDS = 600.0
"""Time after which the user is told again: a cloud may have no spot nodes for hours."""
WAITING_TRIALS = 8
"""Trials that wait on an empty cluster: an autoscaler adds nodes for what is requested."""


def cluster_nodes() -> list[NodeResources]:
    """Return the resources of each living node."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


class RoomWatch:
    """Follows how many trials the cluster can run, and warns while none can.

    Args:
        request: What a trial requests.
        say: Called with a message while trials wait for room.
        fixed_size: Whether no node can join.

    Attributes:
        request: What a trial requests now.
        slots: How many trials can run at once, as of some seconds ago.

    Raises:
        ValueError: There are nodes that run trials, but none has room for a process of this one; or
            they have too little for all of its processes, and none can join.
    """

    def __init__(
        self, request: Request, say: Callable[[str], None], *, fixed_size: bool = False
    ) -> None:
        self.request = request
        self._say = say
        self._idle_since = self._looked_at = time.monotonic()
        self._say_after = SAY_SECONDS
        nodes = cluster_nodes()
        self.slots = request.slots(nodes)
        if self.slots:
            return
        some_fit = request.parts(nodes) > 0 and not fixed_size
        if any(node.get("CPU") for node in nodes) and not some_fit:
            raise ValueError(request.misfit(nodes))
        hint = "" if request.gpus else "; if they have GPUs, use these with --gpus-per-trial"
        now = "too few nodes yet" if some_fit else "no node runs trials yet"
        say(f"{now}: waiting for nodes with room for {request}{hint}")

    @property
    def may_wait(self) -> int:
        """How many trials should wait, so that an autoscaler sees what could be used."""
        return self.slots or WAITING_TRIALS

    def look(self, running: int) -> None:
        """Check the cluster if it is time to; called often.

        Args:
            running: Number of trials that run.
        """
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
            why = "workers are still starting, or others use the nodes that have room"
            why = why if self.slots else self.request.misfit(nodes)
            self._say(f"no trial has run for {idle:.0f} s: {why}")
