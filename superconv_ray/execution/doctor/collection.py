"""Asking every node of a Ray cluster: tasks pinned to nodes, none waited for without end."""

from __future__ import annotations

import contextlib
import shutil
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from pyarrow import fs
from ray._private.authentication.authentication_utils import is_token_auth_enabled
from ray._private.state import available_resources_per_node
from ray._private.worker import get_dashboard_url
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from superconv_ray.data.dataset import Dataset
from superconv_ray.data.readers import load_dataset
from superconv_ray.execution.connection import connected
from superconv_ray.execution.doctor import node as on_node
from superconv_ray.execution.doctor.checks import obstacles
from superconv_ray.execution.doctor.facts import (
    Cluster,
    DatasetAtDriver,
    Machine,
    Node,
    StorePlace,
    StoreView,
)
from superconv_ray.storage.filesystem import Files

ANSWER_SECONDS = 60.0
"""Who has not answered by then is taken for silent. A worker starts in a second or a few; torch is
read from a cold disk in up to half a minute."""


def collect(
    address: str | None = None,
    store: str | None = None,
    dataset: str | None = None,
    data_dir: Path | None = None,
) -> Cluster:
    """Everything that `checks.examine` looks at.

    Args:
        address: Of a running cluster; None: the one this machine is part of, else a new local one.
        store: Path or URI of the store.
        dataset: Built-in data set to send to every node.
        data_dir: Folder with its files; nothing is downloaded.

    Raises:
        ConnectionError: No cluster at the address.
        ValueError: The store's URI is of no known scheme, or no data set has that name.
    """
    files = Files(store) if store else None
    with connected(address):
        survey = _Survey()
        survey.ask_versions()
        place = survey.ask_store(files) if files else None
        sent = survey.ask_dataset(dataset, data_dir) if dataset else None
        survey.ask("machine", _machine, fresh=True)
        return Cluster(
            driver_versions=on_node.versions(),
            nodes=tuple(survey.nodes.values()),
            store=place,
            dataset=sent,
            dashboard=get_dashboard_url() or None,
        )


def check_before_run(store: str) -> None:
    """Refuse a cluster that would spoil a study in silence; a second, and nothing on a single node.

    Raises:
        ValueError: A node lacks this package, has other versions or does not share the store.
    """
    survey = _Survey()
    if len(survey.nodes) < 2:
        return
    survey.ask_versions()
    files = Files(store)
    place = survey.ask_store(files)
    found = obstacles(
        Cluster(driver_versions=on_node.versions(), nodes=tuple(survey.nodes.values()), store=place)
    )
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise ValueError(
            f"{found[0].text}: {found[0].advice}{more}; `superconv doctor --store {files.place}` "
            "tells more"
        )


def smallest_gpu_bytes() -> int | None:
    """Memory of the smallest GPU in the cluster; None if a node with GPUs does not tell."""
    survey = _Survey()
    survey.ask("machine", _machine, fresh=True)
    nodes = [node for node in survey.nodes.values() if node.gpus]
    if not all(node.machine and node.machine.gpus for node in nodes):
        return None
    sizes = (size for n in nodes if n.machine for _, size in n.machine.gpus)
    return min(sizes, default=None)


class _Survey:
    """The living nodes by Ray's id, and what they have told so far."""

    def __init__(self) -> None:
        alive = [node for node in ray.nodes() if node["Alive"]]
        names = Counter(map(_name, alive))
        free = available_resources_per_node()
        self.nodes = {
            # A machine may run several nodes, as in tests
            node["NodeID"]: _as_ray_has_it(
                node,
                free.get(node["NodeID"], {}),
                _name(node) + (f" {node['NodeID'][:6]}" if names[_name(node)] > 1 else ""),
            )
            for node in alive
        }

    def ask_versions(self) -> None:
        """Versions and token; the first question, which starts a worker on every node."""
        self.ask("versions", on_node.versions)
        self.ask("token", is_token_auth_enabled)

    def ask_store(self, files: Files) -> StorePlace:
        """Whether all nodes see what this process writes to the store."""
        local = isinstance(files.filesystem, fs.LocalFileSystem)
        marker = f".doctor-{uuid.uuid4().hex}"
        try:
            files.write(marker, b"written by the driver")
        except OSError as error:
            return StorePlace(place=files.place, local=local, error=str(error))
        try:
            self.ask("store", on_node.look_at_store, files.uri, marker, failed=_no_view)
        finally:
            with contextlib.suppress(OSError):
                files.delete(marker)
        free = shutil.disk_usage(files.root).free if local else None
        return StorePlace(place=files.place, local=local, free_bytes=free)

    def ask_dataset(self, name: str, data_dir: Path | None) -> DatasetAtDriver:
        """Whether a data set arrives on all nodes as it left this process."""
        try:
            data = load_dataset(name, data_dir, download=False)
        except (OSError, ValueError) as error:
            return DatasetAtDriver(name=name, error=str(error).splitlines()[0])
        self.ask("dataset", Dataset.digest, ray.put(data))
        arrays = (data.train_inputs, data.train_labels, data.test_inputs, data.test_labels)
        total = sum(array.nbytes for array in arrays)
        return DatasetAtDriver(name=name, digest=data.digest(), size_bytes=total)

    def ask(
        self,
        field: str,
        question: Callable[..., Any],
        *arguments: Any,
        failed: Callable[[str], Any] | None = None,
        fresh: bool = False,
    ) -> None:
        """Ask all nodes that have answered so far, at once, and note what they say in a field.

        Args:
            field: Of `Node`.
            question: Called on the node.
            arguments: For it.
            failed: What to note instead, given the reason; else the node is silent or in error.
            fresh: End the process that answers: one that has looked at all GPUs would hand a
                trial the wrong one.
        """
        task = ray.remote(num_cpus=0, max_retries=0, max_calls=1 if fresh else 0)(_timed)
        asked = {}
        for id_, node in self.nodes.items():
            if not (node.silent or node.error):
                there = NodeAffinitySchedulingStrategy(id_, soft=False)
                reference = task.options(scheduling_strategy=there).remote(question, *arguments)
                asked[reference] = id_, time.time()
        for reference in _as_they_come(list(asked)):
            id_, sent = asked.pop(reference)
            self.nodes[id_] = _told(self.nodes[id_], field, reference, sent, failed)
        for reference, (id_, _) in asked.items():
            ray.cancel(reference)
            reason = f"no word about its {field} within {ANSWER_SECONDS:g} s"
            told: dict[str, Any] = {field: failed(reason)} if failed else {"silent": reason}
            self.nodes[id_] = replace(self.nodes[id_], **told)


def _name(node: dict[str, Any]) -> str:
    return f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"


def _as_ray_has_it(node: dict[str, Any], free: dict[str, float], name: str) -> Node:
    resources = node["Resources"]
    return Node(
        name=name,
        address=node["NodeManagerAddress"],
        cpus=resources.get("CPU", 0.0),
        gpus=resources.get("GPU", 0.0),
        object_store_bytes=int(resources.get("object_store_memory", 0)),
        object_store_free_bytes=int(free.get("object_store_memory", 0)),
    )


def _no_view(reason: str) -> StoreView:
    return StoreView(sees_marker=False, error=reason)


def _timed(question: Callable[..., Any], *arguments: Any) -> tuple[float, Any, float]:
    """An answer between two looks at the node's clock."""
    began = time.time()
    answer = question(*arguments)
    return began, answer, time.time()


def _machine() -> Machine:
    return on_node.machine(ray._private.worker._global_node.get_session_dir_path())


def _as_they_come(references: list[Any]) -> Iterator[Any]:
    """References that are ready, until the time is up."""
    until = time.monotonic() + ANSWER_SECONDS
    while references:
        left = max(0.0, until - time.monotonic())
        ready, references = ray.wait(references, num_returns=1, timeout=left)
        if not ready:
            return
        yield from ready


def _told(
    node: Node,
    field: str,
    reference: Any,
    sent: float,
    failed: Callable[[str], Any] | None,
) -> Node:
    """The node with what an answer says, or why there is none."""
    received = time.time()
    try:
        began, answer, ended = ray.get(reference)
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[-1]
        if failed:
            return replace(node, **{field: failed(reason)})
        raised = isinstance(error, ray.exceptions.RayTaskError)
        return replace(node, error=reason) if raised else replace(node, silent=reason)
    ahead = max(node.clock_ahead, clock_ahead(sent, began, ended, received), key=abs)
    return replace(node, clock_ahead=ahead, **{field: answer})


def clock_ahead(sent: float, began: float, ended: float, received: float) -> float:
    """Seconds by which a node's clock is at least ahead; negative if behind.

    It read `began` and `ended` between the driver's `sent` and `received`.
    """
    return min(began - sent, 0.0) or max(ended - received, 0.0)
