"""Does Ray count what each machine has, and do the machines compute alike?"""

from __future__ import annotations

from collections.abc import Iterator

from superconv_ray.design.text import bytes_text
from superconv_ray.execution.doctor.checks.finding import Finding, listed
from superconv_ray.execution.doctor.facts import Cluster

DISK_FREE_SHARE = 0.05
"""Ray writes no more objects to a disk with a smaller free share."""
DISK_FREE_BYTES = 2**30
"""Less free space for Ray than this is a warning."""


def cores(cluster: Cluster) -> Iterator[Finding]:
    """Check that Ray does not count more CPUs than there are."""
    for node in cluster.nodes:
        if node.machine and node.cpus > node.machine.cores:
            yield Finding(
                "warning",
                "CPUs",
                f"Ray counts {node.cpus:g} CPUs on {node.name}, which has {node.machine.cores}: "
                "trials will slow each other down",
                f"start Ray there with --num-cpus={node.machine.cores}",
            )


def gpus(cluster: Cluster) -> Iterator[Finding]:
    """Check that Ray counts the GPUs that torch can use."""
    for node in cluster.nodes:
        if node.machine is None:
            continue
        usable = len(node.machine.gpus)
        if node.gpus > usable:
            torch = node.versions.get("torch", "of unknown version")
            yield Finding(
                "problem",
                "GPUs",
                f"Ray counts {node.gpus:g} GPUs on {node.name}, torch {torch} can use {usable}",
                "install the torch build for that driver's CUDA, and check nvidia-smi",
            )
        elif node.gpus < usable:
            yield Finding(
                "warning",
                "GPUs",
                f"torch can use {usable} GPUs on {node.name}, Ray counts {node.gpus:g}",
                f"start Ray there with --num-gpus={usable}",
            )


def precision(cluster: Cluster) -> Iterator[Finding]:
    """Check that `precision="auto"` means the same wherever trials run."""
    with_gpus = any(node.gpus for node in cluster.nodes)
    workers = [n for n in cluster.nodes if n.machine and (n.gpus if with_gpus else n.cpus)]
    fast = [n.name for n in workers if n.machine and n.machine.fast_bf16]
    slow = [n.name for n in workers if n.name not in fast]
    if fast and slow:
        yield Finding(
            "warning",
            "precision",
            f"precision='auto' means bf16 on {listed(fast)} and fp32 on {listed(slow)}",
            "set precision='bf16' or 'fp32' in the study's base, so that no comparison mixes them",
        )


def disks(cluster: Cluster) -> Iterator[Finding]:
    """Check that the disk to which Ray spills objects has room."""
    for node in cluster.nodes:
        if node.machine is None:
            continue
        free, share = node.machine.disk_free_bytes, DISK_FREE_SHARE * node.machine.disk_bytes
        if free < max(share, DISK_FREE_BYTES):
            yield Finding(
                "warning",
                "disk",
                f"{node.name} has {bytes_text(free)} of {bytes_text(node.machine.disk_bytes)} free "
                f"for Ray, which writes nothing to a disk more than {1 - DISK_FREE_SHARE:.0%} full",
                "make room there, or start Ray with --temp-dir on another disk",
            )
