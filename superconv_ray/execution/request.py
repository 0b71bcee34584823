"""What one trial requests of a cluster, and how many such trials fit its nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

NodeResources = Mapping[str, float]
"""Resource to amount, by Ray's names: CPU, GPU, memory."""


@dataclass(frozen=True)
class Request:
    """Resources that one trial requests; they must be free on a single node.

    Attributes:
        cpus: CPUs.
        gpus: GPUs, fractions allowed.
        memory_bytes: Main memory, out of what Ray counts on the node.
    """

    cpus: float
    gpus: float
    memory_bytes: int = 0

    def __str__(self) -> str:
        return f"{self.cpus:g} CPUs and {self.gpus:g} GPUs"

    def resources(self) -> dict[str, float]:
        """Return the amounts by Ray's names."""
        wanted = {"CPU": self.cpus, "GPU": self.gpus, "memory": float(self.memory_bytes)}
        return {name: amount for name, amount in wanted.items() if amount}

    def slots(self, nodes: Iterable[NodeResources]) -> int:
        """Return how many trials the nodes can run at once if nobody else uses them."""
        wanted = self.resources().items()
        return sum(
            min((int(node.get(name, 0.0) / amount) for name, amount in wanted), default=1)
            for node in nodes
        )

    def misfit(self, nodes: Iterable[NodeResources]) -> str:
        """Return a message that no node has room for the trial, with what to do."""
        sizes = {
            f"{node.get('CPU', 0.0):g} CPUs and {node.get('GPU', 0.0):g} GPUs" for node in nodes
        }
        return (
            f"a trial of {self} does not fit any node of the cluster; its nodes have "
            f"{', or '.join(sorted(sizes)) or 'nothing'}: lower --cpus-per-trial or "
            "--gpus-per-trial, or add a node that is large enough"
        )
