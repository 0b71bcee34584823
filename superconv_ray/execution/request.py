"""What one trial requests of a cluster, and how many such trials fit its nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

NodeResources = Mapping[str, float]
"""Resource to amount, by Ray's names: CPU, GPU, memory."""


@dataclass(frozen=True)
class Request:
    """Resources that one trial requests, in equal parts for each of its processes.

    A part must be free on a single node; the parts may be on several.

    Attributes:
        cpus: CPUs.
        gpus: GPUs, fractions allowed.
        memory_bytes: Main memory, out of what Ray counts on the node.
        processes: Processes that train the trial together.
    """

    cpus: float
    gpus: float
    memory_bytes: int = 0
    processes: int = 1

    def __str__(self) -> str:
        text = f"{self.cpus:g} CPUs and {self.gpus:g} GPUs"
        return text if self.processes == 1 else f"{self.processes} processes with {text} in all"

    def part(self) -> dict[str, float]:
        """Return what each process requests, by Ray's names."""
        wanted = {"CPU": self.cpus, "GPU": self.gpus, "memory": float(self.memory_bytes)}
        return {name: amount / self.processes for name, amount in wanted.items() if amount}

    def slots(self, nodes: Iterable[NodeResources]) -> int:
        """Return how many trials the nodes can run at once if nobody else uses them."""
        return self.parts(nodes) // self.processes

    def parts(self, nodes: Iterable[NodeResources]) -> int:
        """Return how many processes of trials the nodes have room for."""
        wanted = self.part().items()
        return sum(
            min((int(node.get(name, 0.0) / amount) for name, amount in wanted), default=1)
            for node in nodes
        )

    def misfit(self, nodes: Iterable[NodeResources]) -> str:
        """Return a message that no node has room for the trial, with what to do."""
        nodes = list(nodes)
        sizes = {
            f"{node.get('CPU', 0.0):g} CPUs and {node.get('GPU', 0.0):g} GPUs" for node in nodes
        }
        several = "" if self.processes == 1 else "--processes-per-trial, "
        split = self._splits(nodes)
        hint = f", split it by --processes-per-trial {split}" if split else ""
        place = "any node" if self.processes == 1 else "the nodes"
        return (
            f"a trial of {self} does not fit {place} of the cluster; its nodes have "
            f"{', or '.join(sorted(sizes)) or 'nothing'}: lower {several}--cpus-per-trial "
            f"or --gpus-per-trial{hint}, or add a node that is large enough"
        )

    def _splits(self, nodes: Sequence[NodeResources]) -> int | None:
        """The least number of more processes whose parts fit the nodes; None if there is none.

        On GPUs, a trial has one process for each already.
        """
        numbers = () if self.gpus else range(self.processes + 1, int(self.cpus) + 1)
        return next((n for n in numbers if replace(self, processes=n).slots(nodes)), None)
