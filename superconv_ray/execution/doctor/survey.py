"""Asks every node of a Ray cluster, with tasks pinned to nodes and a limit on waiting."""

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
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from superconv_ray.data.dataset import Dataset
from superconv_ray.data.readers import load_dataset
from superconv_ray.execution import token_file
from superconv_ray.execution.doctor import node as on_node
from superconv_ray.execution.doctor.facts import (
    DatasetOnDriver,
    Machine,
    NodeFacts,
    StorePlace,
    StoreView,
)
from superconv_ray.storage.filesystem import Files

ANSWER_SECONDS = 60.0
"""Time after which a node counts as silent. A worker starts in a few seconds, but reads torch from
a cold disk in up to half a minute."""


class Survey:
    """Asks the living nodes; `nodes` has, by Ray's id, what they have answered so far."""

    def __init__(self) -> None:
        alive = [node for node in ray.nodes() if node["Alive"]]
        names = Counter(map(_name, alive))
        free = available_resources_per_node()
        self.nodes = {
            # One machine may run several nodes, as in tests.
            node["NodeID"]: _as_ray_counts(
                node,
                free.get(node["NodeID"], {}),
                _name(node) + (f" {node['NodeID'][:6]}" if names[_name(node)] > 1 else ""),
            )
            for node in alive
        }

    def ask_versions(self) -> None:
        """Ask for versions and token. As the first question, it starts a worker on every node."""
        self._ask("versions", on_node.versions)
        self._ask("token", is_token_auth_enabled)

    def ask_token_files(self) -> None:
        """Ask whether others can read the token."""
        self._ask("exposed_token", token_file.exposed)

    def ask_machines(self) -> None:
        """Ask for hardware."""
        self._ask("machine", _machine, fresh=True)

    def ask_store(self, files: Files) -> StorePlace:
        """Ask whether the nodes see what this process writes to the store."""
        local = isinstance(files.filesystem, fs.LocalFileSystem)
        marker = f".doctor-{uuid.uuid4().hex}"
        try:
            files.write(marker, b"written by the driver")
        except OSError as error:
            return StorePlace(place=files.place, local=local, error=str(error))
        try:
            self._ask("store", on_node.look_at_store, files.uri, marker, failed=_no_view)
        finally:
            with contextlib.suppress(OSError):
                files.delete(marker)
        free = shutil.disk_usage(files.root).free if local else None
        return StorePlace(place=files.place, local=local, free_bytes=free)

    def ask_dataset(self, name: str, data_dir: Path | None) -> DatasetOnDriver:
        """Send a data set to the nodes, and ask for the digest of what arrived."""
        try:
            data = load_dataset(name, data_dir, download=False)
        except (OSError, ValueError) as error:
            return DatasetOnDriver(name=name, error=str(error).splitlines()[0])
        self._ask("dataset", Dataset.digest, ray.put(data))
        arrays = (data.train_inputs, data.train_labels, data.test_inputs, data.test_labels)
        total = sum(array.nbytes for array in arrays)
        return DatasetOnDriver(name=name, digest=data.digest(), size_bytes=total)

    def _ask(
        self,
        field: str,
        question: Callable[..., Any],
        *arguments: Any,
        failed: Callable[[str], Any] | None = None,
        fresh: bool = False,
    ) -> None:
        """Ask all nodes that have answered so far, in parallel, and note the answers in a field.

        Args:
            field: Field of `NodeFacts`.
            question: Called on the node.
            arguments: For the question.
            failed: Makes the field's value from the reason of a failure; without it the node counts
                as silent or in error.
            fresh: End the answering process: one that has seen all GPUs would give a trial the
                wrong one.
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
            self.nodes[id_] = _with_answer(self.nodes[id_], field, reference, sent, failed)
        for reference, (id_, _) in asked.items():
            ray.cancel(reference)
            reason = f"no answer about its {field} within {ANSWER_SECONDS:g} s"
            noted: dict[str, Any] = {field: failed(reason)} if failed else {"silent": reason}
            self.nodes[id_] = replace(self.nodes[id_], **noted)


def _name(node: dict[str, Any]) -> str:
    return f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"


def _as_ray_counts(node: dict[str, Any], free: dict[str, float], name: str) -> NodeFacts:
    resources = node["Resources"]
    return NodeFacts(
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
    """Return an answer between two readings of the node's clock."""
    began = time.time()
    answer = question(*arguments)
    return began, answer, time.time()


def _machine() -> Machine:
    return on_node.machine(ray._private.worker._global_node.get_session_dir_path())


def _as_they_come(references: list[Any]) -> Iterator[Any]:
    """Yield references as they become ready, until the time is up."""
    until = time.monotonic() + ANSWER_SECONDS
    while references:
        left = max(0.0, until - time.monotonic())
        ready, references = ray.wait(references, num_returns=1, timeout=left)
        if not ready:
            return
        yield from ready


def _with_answer(
    node: NodeFacts,
    field: str,
    reference: Any,
    sent: float,
    failed: Callable[[str], Any] | None,
) -> NodeFacts:
    """Return the node with its answer, or with the reason why there is none."""
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
    """Return the seconds by which a node's clock is at least ahead; negative if behind.

    The node read `began` and `ended` between the driver's `sent` and `received`.
    """
    return min(began - sent, 0.0) or max(ended - received, 0.0)
