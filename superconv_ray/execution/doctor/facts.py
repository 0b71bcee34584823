"""What is known of a cluster's nodes: plain data that travels, and that tests make by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class StoreView:
    """What one node found where the store should be.

    Attributes:
        sees_marker: Whether it read what the driver had written there.
        error: Why it could not read the store, or could not write a whole file to it.
    """

    sees_marker: bool
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Hardware of a node.

    Attributes:
        cores: CPU cores that processes on it may use.
        memory_bytes: Main memory.
        gpus: Name and bytes of memory of every GPU that torch can use.
        fast_bf16: Whether `precision="auto"` comes to bf16 there.
        disk_bytes: Size of the disk that Ray's own folder is on.
        disk_free_bytes: What is free of it.
    """

    cores: int
    memory_bytes: int
    gpus: tuple[tuple[str, int], ...] = ()
    fast_bf16: bool = False
    disk_bytes: int
    disk_free_bytes: int


@dataclass(frozen=True, kw_only=True)
class Node:
    """One node; what it did not tell is None or empty.

    Attributes:
        name: Host name and address, unique in the cluster.
        address: As other nodes reach it.
        cpus: Trials' CPUs that Ray counts on it.
        gpus: GPUs that Ray counts on it.
        object_store_bytes: Size of Ray's object store.
        object_store_free_bytes: What is free of it.
        silent: Why it did not answer, if so; it may be on its way out of the cluster.
        error: What the question raised there, if so.
        versions: "Python", "superconv_ray", "torch", "Ray" to version.
        token: Whether it asks for Ray's token.
        clock_ahead: Seconds by which its clock is at least ahead of the driver's.
        store: What it found where the store should be.
        dataset: Digest of the data set that it got through Ray's object store.
        machine: Its hardware.
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
    clock_ahead: float = 0.0
    store: StoreView | None = None
    dataset: str | None = None
    machine: Machine | None = None


@dataclass(frozen=True, kw_only=True)
class StorePlace:
    """The store as the driver has it.

    Attributes:
        place: Path or URI without secrets.
        local: Whether it is a path, which each machine may understand as a folder of its own.
        error: Why the driver itself could not use it.
        free_bytes: Space on its disk, if it is a path.
    """

    place: str
    local: bool
    error: str | None = None
    free_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class DatasetAtDriver:
    """A data set as the driver read it: workers get it from there, through Ray's object store.

    Attributes:
        name: Of the data set.
        digest: Of its content; None if it could not be read.
        size_bytes: In memory.
        error: Why it could not be read.
    """

    name: str
    digest: str | None = None
    size_bytes: int = 0
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """All that is known.

    Attributes:
        driver_versions: As a node's, of the process that asks.
        nodes: Every living node.
        store: Where results are to go, if that was asked.
        dataset: What is to be trained on, if that was asked.
        dashboard: host:port of Ray's dashboard, if there is one.
    """

    driver_versions: Mapping[str, str]
    nodes: tuple[Node, ...]
    store: StorePlace | None = None
    dataset: DatasetAtDriver | None = None
    dashboard: str | None = None
