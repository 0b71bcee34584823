"""Does every node answer, with the same versions and the same time?"""

from __future__ import annotations

from collections.abc import Iterator

from superconv_ray.design.text import counted
from superconv_ray.execution.doctor.checks.finding import Finding, listed
from superconv_ray.execution.doctor.facts import Cluster

CLOCK_SECONDS = 5.0
"""Tolerated difference between clocks: leases in the store expire after some tens of seconds."""


def answers(cluster: Cluster) -> Iterator[Finding]:
    """Check that every node answers."""
    silent = [node for node in cluster.nodes if node.silent]
    for node in silent:
        yield Finding(
            "problem",
            "answers",
            f"{node.name} does not answer: {node.silent}",
            "check the node and its Ray log, or remove it from the cluster",
        )
    yield from errors(cluster)
    if not silent and not any(node.error for node in cluster.nodes):
        yield Finding("ok", "answers", f"{counted(len(cluster.nodes), 'node')} answered")


def errors(cluster: Cluster) -> Iterator[Finding]:
    """Check that every node has this package and can run it."""
    for node in cluster.nodes:
        if node.error:
            yield Finding(
                "problem",
                "package",
                f"{node.name} cannot run superconv_ray: {node.error}",
                "install the driver's superconv_ray there, in the Python that runs Ray",
            )


def versions(cluster: Cluster) -> Iterator[Finding]:
    """Check that Python (major.minor), this package, Ray and torch (any build) are the same."""
    differ = False
    for what, wanted in cluster.driver_versions.items():
        for found, nodes in _nodes_by_version(cluster, what):
            if _comparable(what, found) != _comparable(what, wanted):
                differ = True
                yield Finding(
                    "problem",
                    "versions",
                    f"{what} is {found} on {nodes}, but {wanted} on the driver",
                    f"install {what} {wanted} there, or run the driver with {found}",
                )
    if not differ:
        yield Finding("ok", "versions", "every node that answered has the driver's")


def clocks(cluster: Cluster) -> Iterator[Finding]:
    """Check that clocks agree with the driver's."""
    worst = max((abs(node.clock_ahead) for node in cluster.nodes), default=0.0)
    for node in cluster.nodes:
        if abs(node.clock_ahead) > CLOCK_SECONDS:
            side = "ahead of" if node.clock_ahead > 0 else "behind"
            yield Finding(
                "warning",
                "clocks",
                f"the clock of {node.name} is {abs(node.clock_ahead):.1f} s {side} the driver's",
                "synchronize the nodes' clocks with NTP: leases in the store depend on them",
            )
    if worst <= CLOCK_SECONDS:
        yield Finding("ok", "clocks", f"within {max(worst, 0.1):.1f} s of the driver's")


def _comparable(what: str, version: str) -> str:
    if what == "Python":
        return ".".join(version.split(".")[:2])  # patch levels read each other's pickles
    return version.partition("+")[0]  # a head without GPUs may have torch's CPU build


def _nodes_by_version(cluster: Cluster, what: str) -> list[tuple[str, str]]:
    """Return each version found, and the nodes that have it."""
    names: dict[str, list[str]] = {}
    for node in cluster.nodes:
        if version := node.versions.get(what):
            names.setdefault(version, []).append(node.name)
    return [(version, listed(having)) for version, having in names.items()]
