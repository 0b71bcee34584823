"""What is known about a cluster: plain data that travels, and that tests make by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class StoreView:
    """The store as one node sees it.

    Attributes:
        sees_marker: Whether the node read what the driver wrote there.
        error: Why the node could not read the store, or write a whole file to it.
    """

    sees_marker: bool
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Hardware of a node.

    Attributes:
        cores: CPU cores that processes may use.
        memory_bytes: Main memory.
        gpus: Name and memory in bytes of every GPU that torch can use.
        fast_bf16: Whether `precision="auto"` means bf16.
        disk_bytes: Size of the disk that holds Ray's own folder.
        disk_free_bytes: Free space on that disk.
    """

    cores: int
    memory_bytes: int
    gpus: tuple[tuple[str, int], ...] = ()
    fast_bf16: bool = False
    disk_bytes: int
    disk_free_bytes: int


@dataclass(frozen=True, kw_only=True)
class NodeFacts:
    """Facts about one node; None or empty where they are unknown.

    Attributes:
        name: Host name and address, unique in the cluster.
        address: Address by which other nodes reach it.
        cpus: CPUs that Ray counts.
        gpus: GPUs that Ray counts.
        object_store_bytes: Size of Ray's object store.
        object_store_free_bytes: Free space in it.
        silent: Why the node did not answer; it may be leaving the cluster.
        error: What the question raised on the node.
        versions: "Python", "superconv_ray", "torch", "Ray" to version.
        token: Whether the node asks for Ray's token.
        exposed_token: The token's file and its mode, if others on the node can read it.
        clock_ahead: Seconds by which its clock is at least ahead of the driver's.
        store: The store as the node sees it.
        dataset: Digest of the data set that the node received through Ray's object store.
        machine: Hardware.
    """

    name: str
    address: str = "127.0.0.1"
    cpus: float = 0.0
    gpus: float = 0.0
    object_store_bytes: int = 0
    object_store_free_bytes: int = 0
    silent: str | None = None
    error: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    token: bool = False
    exposed_token: str | None = None
    clock_ahead: float = 0.0
    store: StoreView | None = None
    dataset: str | None = None
    machine: Machine | None = None


@dataclass(frozen=True, kw_only=True)
class StorePlace:
    """The store as the driver sees it.

    Attributes:
        place: Path or URI without secrets.
        local: Whether it is a path, which each machine may take for a folder of its own.
        error: Why the driver could not use it.
        free_bytes: Free space on its disk, if it is a path.
    """

    place: str
    local: bool
    error: str | None = None
    free_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class DatasetOnDriver:
    """The data set that the driver read, and sends to workers through Ray's object store.

    Attributes:
        name: Name of the data set.
        digest: Digest of its content; None if it could not be read.
        size_bytes: Size in memory.
        error: Why it could not be read.
    """

    name: str
    digest: str | None = None
    size_bytes: int = 0
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """All facts.

    Attributes:
        driver_versions: Versions of the process that asks, as in `NodeFacts`.
        nodes: Every living node.
        store: Where results go, if that was asked.
        dataset: What trials train on, if that was asked.
        dashboard: host:port of Ray's dashboard, if there is one.
    """

    driver_versions: Mapping[str, str]
    nodes: tuple[NodeFacts, ...]
    store: StorePlace | None = None
    dataset: DatasetOnDriver | None = None
    dashboard: str | None = None
