"""How many trials share a GPU, or a node's memory: measured, not guessed.

The first trial of a shape gets a whole GPU, or a whole node's memory. Its peak decides the share of
all that follow. Shares are 1/k of a device for whole k: Ray gives a warm worker only to trials that
request exactly the same, and there are few such k.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from superconv_ray.design.outcome import Outcome
from superconv_ray.design.trial import Trial
from superconv_ray.execution.amounts import Amount, FilledIn
from superconv_ray.execution.request import NodeResources, Request
from superconv_ray.execution.shape import shape_of

RAM, GPU_RAM = "peak_memory_bytes", "peak_gpu_memory_bytes"
"""Columns of the table of trials that hold the peaks."""

MARGIN = 1.25
"""Factor by which a share exceeds the measured peak: fragmentation and algorithm choice vary."""
CUDA_CONTEXT_BYTES = 600 * 2**20
"""GPU memory of a process that torch's allocator does not count: CUDA's context and libraries, 300
to 500 MiB."""
MOST_PER_GPU = 48
"""Processes that can share a GPU under NVIDIA's MPS (smallest limit in its manual)."""
_GRAIN = 10_000
"""Ray counts resources in units of 1/10,000."""


def trials_that_fit(memory_bytes: float, peak_bytes: float, fixed_bytes: float = 0.0) -> int:
    """Return how many trials fit into a memory, with the margin; at least one.

    Only the three leading binary digits count, as in 20 for 23. Peaks of one shape differ a little,
    and a warm worker is of no use to a trial that requests slightly more.

    Args:
        memory_bytes: Memory of the device.
        peak_bytes: Measured peak of one trial.
        fixed_bytes: What each trial takes in addition, without a margin.
    """
    fitting = max(1, int(memory_bytes // (MARGIN * peak_bytes + fixed_bytes)))
    rest = max(0, fitting.bit_length() - 3)
    return fitting >> rest << rest


def share_of(amount: float, trials: int) -> float:
    """Return an amount divided among trials, rounded down to Ray's units so that all fit at once.

    One third is 0.3333; of 0.3334, only two would fit.
    """
    return math.floor(round(amount * _GRAIN, 6) / trials) / _GRAIN


def largest_peaks(rows: Iterable[Mapping[Any, Any]], column: str) -> dict[Hashable, float]:
    """Return the largest peak of every shape. Rows without a peak are skipped.

    Args:
        rows: Rows of the trials' table, with the columns of `SHAPE` and the peaks.
        column: `RAM` or `GPU_RAM`.
    """
    peaks: dict[Hashable, float] = {}
    for row in rows:
        peak = row.get(column)
        if peak is not None:
            shape = shape_of(row)
            peaks[shape] = max(peak, peaks.get(shape, 0.0))
    return peaks


@dataclass(frozen=True)
class Devices:
    """The smallest devices of the cluster, as a trial may land on any.

    Attributes:
        gpu_bytes: Memory of a GPU; None if unknown.
        cpus_per_gpu: CPUs that a node has per GPU.
        ram_bytes: Memory that Ray counts on a node that runs trials.
        most_cpus: CPUs of the largest node.
    """

    gpu_bytes: float | None
    cpus_per_gpu: float
    ram_bytes: float
    most_cpus: float


def smallest_devices(nodes: Iterable[NodeResources], gpu_bytes: float | None = None) -> Devices:
    """Return the smallest devices by what Ray counts; it does not count a GPU's memory."""
    nodes = list(nodes)
    per_gpu = [node.get("CPU", 0.0) / node["GPU"] for node in nodes if node.get("GPU")]
    ram = [node.get("memory", 0.0) for node in nodes if node.get("CPU")]
    return Devices(
        gpu_bytes=gpu_bytes,
        cpus_per_gpu=min(per_gpu, default=1.0),
        ram_bytes=min(ram, default=0.0),
        most_cpus=max((node.get("CPU", 0.0) for node in nodes), default=1.0),
    )


class Packing:
    """Decides what each trial requests from Ray.

    Args:
        devices: Devices that trials share.
        amounts: What the user asks for.
        peaks: Shape to largest peak of `column_of(amounts.gpus)` in earlier runs.
    """

    def __init__(
        self,
        devices: Devices,
        amounts: FilledIn,
        peaks: Mapping[Hashable, float],
    ) -> None:
        self._devices = devices
        self._cpus, self._gpus = amounts.cpus, amounts.gpus
        self._processes = amounts.processes
        self._peaks = dict(peaks)

    def request(self, trial: Trial) -> Request:
        """Return a trial's request: a whole device if its shape was never measured."""
        return self._request(self._peaks.get(shape_of(trial.settings())))

    def largest_request(self) -> Request:
        """Return the request of a trial whose shape was never measured."""
        return self._request(None)

    def learn(self, trial: Trial, outcome: Outcome) -> None:
        """Note the peak of a trial."""
        row = {**trial.settings(), **outcome.measurements}
        for shape, peak in largest_peaks([row], column_of(self._gpus)).items():
            self._peaks[shape] = max(peak, self._peaks.get(shape, 0.0))

    def outgrown(self, trial: Trial) -> bool:
        """Note that a trial ran out of memory: its shape gets a whole device from now on.

        Returns:
            Whether that is more than the trial had.
        """
        had = self.request(trial)
        self._peaks[shape_of(trial.settings())] = math.inf
        return self.request(trial) != had

    def _request(self, peak: float | None) -> Request:
        if self._gpus == 0:
            return self._on_cpu(peak)
        gpus = self._part_of_gpu(peak) if self._gpus == "auto" else self._gpus
        if self._cpus != "auto":
            return Request(self._cpus, gpus, processes=self._processes)
        # One core feeds a trial if there are enough; never so many that GPUs stay idle.
        feeding = share_of(self._devices.cpus_per_gpu, max(1, int(1 / gpus)))
        return Request(min(1.0, feeding), gpus)

    def _on_cpu(self, peak: float | None) -> Request:
        """Return a request for one core, and the share of memory that limits how many run."""
        if self._cpus != "auto":
            return Request(self._cpus, 0.0, processes=self._processes)
        ram = self._devices.ram_bytes
        fitting = trials_that_fit(ram, peak) if peak else 1
        return Request(1.0, 0.0, int(ram) // min(fitting, max(1, int(self._devices.most_cpus))))

    def _part_of_gpu(self, peak: float | None) -> float:
        memory = self._devices.gpu_bytes
        if peak is None or memory is None:
            return 1.0
        fitting = trials_that_fit(memory, peak, CUDA_CONTEXT_BYTES)
        return share_of(1.0, min(fitting, MOST_PER_GPU))


def column_of(gpus: Amount) -> str:
    """Return the column whose peaks decide, for trials with so many GPUs."""
    return RAM if gpus == 0 else GPU_RAM
