"""Collects the facts about a cluster that doctor, and every run, checks."""

from __future__ import annotations

from pathlib import Path

from ray._private.worker import get_dashboard_url

from superconv_ray.execution.connection import connected
from superconv_ray.execution.doctor import node as on_node
from superconv_ray.execution.doctor.checks import obstacles
from superconv_ray.execution.doctor.facts import Cluster
from superconv_ray.execution.doctor.survey import Survey
from superconv_ray.storage.filesystem import Files


def collect(
    address: str | None = None,
    store: str | None = None,
    dataset: str | None = None,
    data_dir: Path | None = None,
) -> Cluster:
    """Collect everything that `checks.examine` checks.

    Args:
        address: Address of a running cluster. None: the one this machine is part of, else a new
            local one.
        store: Path or URI of the store.
        dataset: Built-in data set to send to every node.
        data_dir: Folder with its files; nothing is downloaded.

    Raises:
        ConnectionError: No cluster answers at the address.
        ValueError: The store's URI has an unknown scheme, or no data set has that name.
    """
    files = Files(store) if store else None
    with connected(address):
        survey = Survey()
        survey.ask_versions()
        survey.ask_token_files()
        place = survey.ask_store(files) if files else None
        sent = survey.ask_dataset(dataset, data_dir) if dataset else None
        survey.ask_machines()
        return Cluster(
            driver_versions=on_node.versions(),
            nodes=tuple(survey.nodes.values()),
            store=place,
            dataset=sent,
            dashboard=get_dashboard_url() or None,
        )


def check_before_run(store: str) -> None:
    """Refuse a cluster that would spoil a study silently. Takes a second; skipped on one node.

    Raises:
        ValueError: A node lacks this package, has other versions or does not share the store.
    """
    survey = Survey()
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
            "shows all"
        )


def smallest_gpu_bytes() -> int | None:
    """Return the memory of the smallest GPU in the cluster; None if a node does not tell."""
    survey = Survey()
    survey.ask_machines()
    nodes = [node for node in survey.nodes.values() if node.gpus]
    if not all(node.machine and node.machine.gpus for node in nodes):
        return None
    sizes = (size for node in nodes if node.machine for _, size in node.machine.gpus)
    return min(sizes, default=None)
