"""What the facts mean: pure functions from a cluster's facts to findings."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from superconv_ray.execution.doctor.facts import Cluster
from superconv_ray.storage.filesystem import SHARE_IT, not_shared

Level = Literal["ok", "skipped", "warning", "problem"]

CLOCK_SECONDS = 5.0
"""Clocks may differ by this much: leases in the store expire after some tens of seconds."""
DISK_FREE_SHARE = 0.05
"""Ray writes no more objects to a disk that has less than this share free."""
DISK_FREE_BYTES = 2**30


@dataclass(frozen=True)
class Finding:
    """One thing found.

    Attributes:
        level: "ok"; "skipped": not looked at; "warning": a study runs, but; "problem": it will
            not, or is not safe.
        subject: What was looked at, in a word.
        text: What was found, naming the nodes.
        advice: What to do.
    """

    level: Level
    subject: str
    text: str
    advice: str = ""


def examine(cluster: Cluster) -> list[Finding]:
    """All findings."""
    checks = (answers, versions, clocks, store, store_space, dataset)
    machines = (cores, gpus, precision, disks)
    return [f for check in (*checks, *machines, token, dashboard) for f in check(cluster)]


def obstacles(cluster: Cluster) -> list[Finding]:
    """The problems that would spoil a study in silence: what is looked at before every run.

    A node that does not answer may be on its way out, which must not keep a study from its start.
    """
    found = [f for check in (errors, versions, store) for f in check(cluster)]
    return [finding for finding in found if finding.level == "problem"]


def answers(cluster: Cluster) -> Iterator[Finding]:
    """Every node answers."""
    silent = [node for node in cluster.nodes if node.silent]
    for node in silent:
        yield Finding(
            "problem",
            "answers",
            f"{node.name} does not answer: {node.silent}",
            "look at the node and its Ray log, or take it out of the cluster",
        )
    yield from errors(cluster)
    if not silent and not any(node.error for node in cluster.nodes):
        yield Finding("ok", "answers", f"{count(len(cluster.nodes), 'node')} answered")


def errors(cluster: Cluster) -> Iterator[Finding]:
    """Every node has this package, and can run it."""
    for node in cluster.nodes:
        if node.error:
            yield Finding(
                "problem",
                "package",
                f"{node.name} cannot run superconv_ray: {node.error}",
                "install the driver's superconv_ray there, in the Python that runs Ray",
            )


def versions(cluster: Cluster) -> Iterator[Finding]:
    """Python up to its patch level, package, Ray and torch whatever its build are the same."""
    different = 0
    for what, wanted in cluster.driver_versions.items():
        for found, nodes in _by_version(cluster, what):
            if _comparable(what, found) != _comparable(what, wanted):
                different += 1
                yield Finding(
                    "problem",
                    "versions",
                    f"{what} is {found} on {nodes}, but {wanted} at the driver",
                    f"install {what} {wanted} there, or run the driver with {found}",
                )
    if not different:
        yield Finding("ok", "versions", "the driver's on every node that answered")


def _comparable(what: str, version: str) -> str:
    if what == "Python":
        return ".".join(version.split(".")[:2])  # what decides whether pickles can be read
    return version.partition("+")[0]  # a head without GPUs may have torch's build for CPUs


def clocks(cluster: Cluster) -> Iterator[Finding]:
    """Clocks agree with the driver's."""
    worst = max((abs(node.clock_ahead) for node in cluster.nodes), default=0.0)
    for node in cluster.nodes:
        if abs(node.clock_ahead) > CLOCK_SECONDS:
            side = "ahead of" if node.clock_ahead > 0 else "behind"
            yield Finding(
                "warning",
                "clocks",
                f"the clock of {node.name} is {abs(node.clock_ahead):.1f} s {side} the driver's",
                "let the nodes set their clocks by NTP: leases in the store go by them",
            )
    if worst <= CLOCK_SECONDS:
        yield Finding("ok", "clocks", f"within {max(worst, 0.1):.1f} s of the driver's")


def store(cluster: Cluster) -> Iterator[Finding]:
    """The store is one place for all nodes and the driver, and takes whole files."""
    place = cluster.store
    if place is None:
        yield Finding("skipped", "store", "name it with --store")
        return
    if place.error:
        yield Finding(
            "problem",
            "store",
            f"{place.place} cannot be used by the driver: {place.error}",
            "correct the path or URI, or what gives this machine access to it",
        )
        return
    several = len(cluster.nodes) > 1
    troubled = False
    for node in cluster.nodes:
        view = node.store
        if view is None:
            # Of a URI every machine has the same idea; a path must be proven to be shared.
            if place.local and several:
                troubled = True
                why = node.silent or node.error or "it was not asked"
                yield Finding(
                    "problem",
                    "store",
                    f"{place.place} is a path, and whether {node.name} shares it is unknown: {why}",
                    "use a store that every node reaches (s3://, gs://, abfs://), or try again",
                )
        elif view.error:
            troubled = True
            what = "written to" if view.sees_marker else "read"
            yield Finding(
                "problem",
                "store",
                f"{place.place} cannot be {what} from {node.name}: {view.error}",
                "give that node access to it (credentials, network, mount, permissions)",
            )
        elif not view.sees_marker:
            troubled = True
            yield Finding(
                "problem",
                "store",
                not_shared(place.place, node.name),
                SHARE_IT,
            )
    if not troubled:
        seen = count(sum(node.store is not None for node in cluster.nodes), "node")
        yield Finding("ok", "store", f"{place.place}: read, written and replaced from {seen}")


def store_space(cluster: Cluster) -> Iterator[Finding]:
    """The disk of a store that is a path has room for results."""
    if cluster.store and cluster.store.free_bytes is not None:
        free = cluster.store.free_bytes
        if free < DISK_FREE_BYTES:
            yield Finding(
                "warning",
                "store",
                f"{cluster.store.place} has only {size(free)} free",
                "make room: a checkpoint takes about three times its model's parameters",
            )


def dataset(cluster: Cluster) -> Iterator[Finding]:
    """The driver can read the data set, and every node gets it whole."""
    data = cluster.dataset
    if data is None:
        yield Finding("skipped", "data", "name a data set with --dataset")
        return
    if data.digest is None:
        yield Finding(
            "problem",
            "data",
            f"{data.name} cannot be read by the driver: {data.error}",
            "put its files where --data-dir says, here only: workers get them through Ray",
        )
        return
    small = [n for n in cluster.nodes if 0 < n.object_store_bytes < data.size_bytes]
    for node in small:
        yield Finding(
            "problem",
            "data",
            f"{data.name} takes {size(data.size_bytes)}, but the object store of {node.name} has "
            f"{size(node.object_store_bytes)}",
            "start Ray there with a larger --object-store-memory",
        )
    wrong = [n for n in cluster.nodes if n.dataset not in (None, data.digest)]
    for node in wrong:
        yield Finding(
            "problem",
            "data",
            f"{data.name} arrived on {node.name} with digest {node.dataset} instead of "
            f"{data.digest}",
            "look for faulty memory or network on that node, and take it out of the cluster",
        )
    arrived = sum(node.dataset == data.digest for node in cluster.nodes)
    if not small and not wrong:
        yield Finding(
            "ok",
            "data",
            f"{data.name}, {size(data.size_bytes)}, digest {data.digest}: "
            f"travelled from the driver to {count(arrived, 'node')}, which need no files",
        )


def cores(cluster: Cluster) -> Iterator[Finding]:
    """Ray does not count more CPUs than there are."""
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
    """Where Ray counts GPUs torch can use them, and the other way round."""
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
                "install the build of torch for that driver's CUDA, and see what nvidia-smi says",
            )
        elif node.gpus < usable:
            yield Finding(
                "warning",
                "GPUs",
                f"torch can use {usable} GPUs on {node.name}, Ray counts {node.gpus:g}",
                f"start Ray there with --num-gpus={usable}",
            )


def precision(cluster: Cluster) -> Iterator[Finding]:
    """`precision="auto"` means the same wherever trials run."""
    with_gpus = any(node.gpus for node in cluster.nodes)
    workers = [n for n in cluster.nodes if n.machine and (n.gpus if with_gpus else n.cpus)]
    fast = [n.name for n in workers if n.machine and n.machine.fast_bf16]
    slow = [n.name for n in workers if n.name not in fast]
    if fast and slow:
        yield Finding(
            "warning",
            "precision",
            f"precision='auto' means bf16 on {_listed(fast)} and fp32 on {_listed(slow)}",
            "set precision='bf16' or 'fp32' in the study's base, lest a comparison mix them",
        )


def disks(cluster: Cluster) -> Iterator[Finding]:
    """Ray's own folder has room: what the object store cannot hold goes there."""
    for node in cluster.nodes:
        if node.machine is None:
            continue
        free, share = node.machine.disk_free_bytes, DISK_FREE_SHARE * node.machine.disk_bytes
        if free < max(share, DISK_FREE_BYTES):
            yield Finding(
                "warning",
                "disk",
                f"{node.name} has {size(free)} of {size(node.machine.disk_bytes)} free for Ray, "
                f"which writes nothing to a disk more than {1 - DISK_FREE_SHARE:.0%} full",
                "make room there, or start Ray with --temp-dir on another disk",
            )


def token(cluster: Cluster) -> Iterator[Finding]:
    """Who reaches a node's ports must show a token: they run any code."""
    answered = [node for node in cluster.nodes if node.versions]
    without = [n.name for n in answered if not n.token and not _is_loopback(n.address)]
    if without:
        yield Finding(
            "warning",
            "token",
            f"Ray asks for no token on {_listed(without)}: whoever reaches its ports can run code",
            "set RAY_AUTH_MODE=token on every node and client (`ray get-auth-token --generate`)",
        )
    elif answered:
        on = all(node.token for node in answered)
        text = "asked for on every node" if on else "none, but only this machine reaches Ray"
        yield Finding("ok", "token", text)


def dashboard(cluster: Cluster) -> Iterator[Finding]:
    """The dashboard, which starts jobs, answers this machine only."""
    if not cluster.dashboard:
        return
    host = cluster.dashboard.rpartition(":")[0].strip("[]")
    if _is_loopback(host):
        yield Finding("ok", "dashboard", f"{cluster.dashboard}, on its own machine only")
        return
    guarded = all(node.token for node in cluster.nodes)
    yield Finding(
        "warning" if guarded else "problem",
        "dashboard",
        f"http://{cluster.dashboard} answers the network"
        + ("" if guarded else ", asks for no token and runs any code it is sent"),
        "start the head with --dashboard-host=127.0.0.1 and reach it by `ray dashboard` or ssh -L",
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _by_version(cluster: Cluster, what: str) -> list[tuple[str, str]]:
    """Versions, and the nodes that have them; nodes that told none are left out."""
    names: dict[str, list[str]] = {}
    for node in cluster.nodes:
        if version := node.versions.get(what):
            names.setdefault(version, []).append(node.name)
    return [(version, _listed(having)) for version, having in names.items()]


def _listed(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    first, *rest = list(names)
    more = len(rest) - 2
    return ", ".join([first, *rest[:2]]) + (f" and {more} more" if more > 0 else "")


def count(number: int, what: str) -> str:
    """As in "1 node" and "2 nodes"."""
    return f"{number} {what}" + ("" if number == 1 else "s")


def size(number: int) -> str:
    """Bytes as people say them: "184 MiB"."""
    value, unit = float(number), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"
