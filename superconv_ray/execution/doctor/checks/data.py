"""Do all nodes share the store, and does the data set reach them?"""

from __future__ import annotations

from collections.abc import Iterator

from superconv_ray.design.text import bytes_text, counted
from superconv_ray.execution.doctor.checks.finding import Finding
from superconv_ray.execution.doctor.facts import Cluster, NodeFacts, StorePlace
from superconv_ray.storage.filesystem_errors import SHARE_IT, not_shared

FREE_BYTES = 2**30
"""Less free space than this on the store's disk is a warning."""


def store(cluster: Cluster) -> Iterator[Finding]:
    """Check that the store is one place for all nodes and the driver, and takes whole files."""
    place = cluster.store
    if place is None:
        yield Finding("skipped", "store", "name it with --store")
        return
    if place.error:
        yield Finding(
            "problem",
            "store",
            f"the driver cannot use {place.place}: {place.error}",
            "correct the path or URI, or give this machine access to it",
        )
        return
    problems = [f for node in cluster.nodes for f in _store_on(node, place, cluster)]
    yield from problems
    if not problems:
        seen = counted(sum(node.store is not None for node in cluster.nodes), "node")
        yield Finding("ok", "store", f"{place.place}: read, written and replaced from {seen}")


def _store_on(node: NodeFacts, place: StorePlace, cluster: Cluster) -> Iterator[Finding]:
    """Check the store as one node sees it."""
    view = node.store
    if view is None:
        # A URI means the same place on every machine; a path must be proven to be shared.
        if place.local and len(cluster.nodes) > 1:
            why = node.silent or node.error or "it was not asked"
            yield Finding(
                "problem",
                "store",
                f"{place.place} is a path, and it is unknown whether {node.name} shares it: {why}",
                "use a store that every node reaches (s3://, gs://, abfs://), or try again",
            )
    elif view.error:
        access = "write to" if view.sees_marker else "read"
        yield Finding(
            "problem",
            "store",
            f"{node.name} cannot {access} {place.place}: {view.error}",
            "give that node access to it (credentials, network, mount, permissions)",
        )
    elif not view.sees_marker:
        yield Finding("problem", "store", not_shared(place.place, node.name), SHARE_IT)


def store_space(cluster: Cluster) -> Iterator[Finding]:
    """Check that the disk of a store that is a path has room for results."""
    place = cluster.store
    if place and place.free_bytes is not None and place.free_bytes < FREE_BYTES:
        yield Finding(
            "warning",
            "store",
            f"{place.place} has only {bytes_text(place.free_bytes)} free",
            "make room: a checkpoint takes about three times its model's parameters",
        )


def dataset(cluster: Cluster) -> Iterator[Finding]:
    """Check that the driver can read the data set, and that every node receives it whole."""
    data = cluster.dataset
    if data is None:
        yield Finding("skipped", "data", "name a data set with --dataset")
        return
    if data.digest is None:
        yield Finding(
            "problem",
            "data",
            f"the driver cannot read {data.name}: {data.error}",
            "put its files where --data-dir says, on the driver only: workers get them through Ray",
        )
        return
    small = [n for n in cluster.nodes if 0 < n.object_store_bytes < data.size_bytes]
    for node in small:
        yield Finding(
            "problem",
            "data",
            f"{data.name} takes {bytes_text(data.size_bytes)}, but the object store of "
            f"{node.name} has {bytes_text(node.object_store_bytes)}",
            "start Ray there with a larger --object-store-memory",
        )
    wrong = [n for n in cluster.nodes if n.dataset not in (None, data.digest)]
    for node in wrong:
        yield Finding(
            "problem",
            "data",
            f"{data.name} arrived on {node.name} with digest {node.dataset} instead of "
            f"{data.digest}",
            "check that node's memory and network, and remove it from the cluster",
        )
    if not small and not wrong:
        arrived = counted(sum(node.dataset == data.digest for node in cluster.nodes), "node")
        yield Finding(
            "ok",
            "data",
            f"{data.name}, {bytes_text(data.size_bytes)}, digest {data.digest}: "
            f"sent from the driver to {arrived}, which need no files",
        )
