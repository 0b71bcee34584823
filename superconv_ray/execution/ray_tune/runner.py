"""Runs a planner's trials in parallel on Ray: connects, checks the cluster, hands over to Tune."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ray

from superconv_ray.data.images import AnyDataset
from superconv_ray.execution.amounts import Amounts, FilledIn
from superconv_ray.execution.capacity import RoomWatch, cluster_nodes
from superconv_ray.execution.connection import connected
from superconv_ray.execution.doctor.collection import check_before_run, smallest_gpu_bytes
from superconv_ray.execution.interruption import sigterm_is_ctrl_c
from superconv_ray.execution.model_transport import check_code_loads, code_of, shipped_by_value
from superconv_ray.execution.packing import Packing, column_of, largest_peaks, smallest_devices
from superconv_ray.execution.ray_tune.adapter import Callback, run_tune, tune_environment
from superconv_ray.execution.ray_tune.dispatch import Dispatcher
from superconv_ray.execution.run import Run
from superconv_ray.execution.shape import SHAPE
from superconv_ray.execution.worker import Job
from superconv_ray.storage.store import Store, open_store
from superconv_ray.training.team import check_parts


def run_ray(
    run: Run,
    make_job: Callable[[bool, int], Job],
    datasets: Mapping[str, AnyDataset],
    *,
    address: str | None = None,
    amounts: Amounts | None = None,
    callbacks: Sequence[Callback] = (),
) -> None:
    """Run until the planner is finished.

    Args:
        run: Gives the trials, and takes what happens to them.
        make_job: Makes the workers' job, given whether they have GPUs, and their CPU threads.
        datasets: All data sets needed; put into Ray's object store once.
        address: Address of a running cluster. None: the cluster of this process, else a new local
            one.
        amounts: What a trial requests.
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
        # A worker that Ctrl-C cut off may still write its files for Tune.
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch,
    ):
        has_gpus = bool(ray.cluster_resources().get("GPU"))
        filled_in = (amounts or Amounts()).filled_in(has_gpus=has_gpus)
        check_parts((c.templates.pattern for c in run.planner.plan.cells), filled_in.processes)
        job = make_job(filled_in.gpus != 0, filled_in.threads)
        check_before_run(job.store)
        if not fixed_size:  # otherwise this machine is the only node
            check_code_loads(code)
        store = open_store(job.store)
        packing = packing_for(store, filled_in)
        room = RoomWatch(packing.largest_request(), progress.warn, fixed_size=fixed_size)
        progress.phase("starting workers, which load torch")
        run_tune(
            Dispatcher(run, packing, store),
            room,
            {"job": job, "datasets": {name: ray.put(data) for name, data in datasets.items()}},
            scratch,
            # Waiting trials make an autoscaler add nodes; on a fixed cluster they only cost time.
            max_concurrent_trials=room.slots if fixed_size and not filled_in.measured else None,
            callbacks=callbacks,
        )
    if run.planner.to_come:  # Tune takes the first Ctrl-C for itself
        raise KeyboardInterrupt


def packing_for(store: Store, amounts: FilledIn) -> Packing:
    """Return the packing for a cluster; where it measures, the peaks of earlier runs count."""
    column = column_of(amounts.gpus)
    rows: list[dict[Any, Any]] = []
    if amounts.measured:
        frame = store.trials(columns=[*SHAPE, column]).astype(object)
        rows = frame.where(frame.notna(), None).to_dict("records")
    gpu_bytes = smallest_gpu_bytes() if amounts.gpus == "auto" else None
    devices = smallest_devices(cluster_nodes(), gpu_bytes)
    return Packing(devices, amounts, largest_peaks(rows, column))
