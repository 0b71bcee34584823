"""Runs a planner's trials in parallel on Ray: connects, checks the cluster, hands over to Tune."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ray

from superconv_ray.data.dataset import Dataset
from superconv_ray.execution.capacity import RoomWatch, cluster_nodes
from superconv_ray.execution.connection import connected
from superconv_ray.execution.doctor.collection import check_before_run, smallest_gpu_bytes
from superconv_ray.execution.interruption import sigterm_is_ctrl_c
from superconv_ray.execution.model_transport import check_code_loads, code_of, shipped_by_value
from superconv_ray.execution.packing import (
    SHAPE,
    Amount,
    Packing,
    column_of,
    largest_peaks,
    smallest_devices,
)
from superconv_ray.execution.ray_tune.adapter import Callback, run_tune, tune_environment
from superconv_ray.execution.ray_tune.dispatch import Dispatcher
from superconv_ray.execution.run import Run
from superconv_ray.execution.worker import Job
from superconv_ray.storage.store import Store, open_store


def run_ray(
    run: Run,
    make_job: Callable[[bool], Job],
    datasets: Mapping[str, Dataset],
    *,
    address: str | None = None,
    cpus_per_trial: Amount = 1.0,
    gpus_per_trial: Amount | None = None,
    callbacks: Sequence[Callback] = (),
) -> None:
    """Run until the planner is finished.

    Args:
        run: Gives the trials, and takes what happens to them.
        make_job: Makes the workers' job, given whether they have GPUs.
        datasets: All data sets needed; put into Ray's object store once.
        address: Address of a running cluster. None: the cluster of this process, else a new local
            one.
        cpus_per_trial: CPUs, and so threads, of a trial; "auto": see `Packing`.
        gpus_per_trial: GPUs of a trial; fractions are allowed. None: one each if there are any;
            "auto": see `Packing`.
        callbacks: The user's own, such as Tune's for MLflow.

    Raises:
        ConnectionError: No cluster answers at the address.
        ValueError: No node has room for such a trial, a node would spoil the study (see
            `check_before_run`), or a node cannot load the user's code.
        StoreError: The store cannot be written any more.
        KeyboardInterrupt: Ctrl-C was pressed; trials in progress have been saved.
    """
    progress, code = run.progress, code_of(run.planner.plan)
    with (
        connected(address, progress.warn) as fixed_size,
        sigterm_is_ctrl_c(),
        tune_environment(),
        shipped_by_value(code.values()),
        tempfile.TemporaryDirectory() as scratch,
    ):
        gpus = gpus_per_trial
        if gpus in (None, "auto") and not ray.cluster_resources().get("GPU"):
            gpus = 0.0
        job = make_job(gpus != 0)
        check_before_run(job.store)
        if not fixed_size:  # otherwise this machine is the only node
            check_code_loads(code)
        store = open_store(job.store)
        packing = packing_for(store, cpus_per_trial, 1.0 if gpus is None else gpus)
        room = RoomWatch(packing.largest_request(), progress.warn)
        progress.phase("starting workers, which load torch")
        run_tune(
            Dispatcher(run, packing, store),
            room,
            {"job": job, "datasets": {name: ray.put(data) for name, data in datasets.items()}},
            scratch,
            # Waiting trials make an autoscaler add nodes; on a fixed cluster they only cost time.
            max_concurrent_trials=room.slots if fixed_size and not packing.measures else None,
            callbacks=callbacks,
        )
    if run.planner.to_come:  # Tune takes the first Ctrl-C for itself
        raise KeyboardInterrupt


def packing_for(store: Store, cpus: Amount, gpus: Amount) -> Packing:
    """Return the packing for a cluster; where it measures, the peaks of earlier runs count."""
    column = column_of(gpus)
    rows: list[dict[Any, Any]] = []
    if "auto" in (cpus, gpus):
        frame = store.trials(columns=[*SHAPE, column]).astype(object)
        rows = frame.where(frame.notna(), None).to_dict("records")
    gpu_bytes = smallest_gpu_bytes() if gpus == "auto" else None
    devices = smallest_devices(cluster_nodes(), gpu_bytes)
    return Packing(devices, cpus, gpus, largest_peaks(rows, column))
