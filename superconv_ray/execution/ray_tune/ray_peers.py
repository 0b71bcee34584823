"""The processes beside the first one of a trial, as Ray actors in the trial's placement group.

Ray Train would start them, too, but as a run of its own: with a placement group and a controller
beside the trial's, without warm processes from one trial to the next, and without pauses, in which
the first process saves a trial that is stopped.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import psutil
import ray
import torch
import torch.distributed as dist
from ray.exceptions import RayError
from ray.util import get_current_placement_group, get_node_ip_address
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from superconv_ray.design.trial import CompleteTrial
from superconv_ray.execution.peers import Failure, LostPeerError
from superconv_ray.execution.request import Request
from superconv_ray.execution.run_builder import RunBuilder
from superconv_ray.execution.worker import Job
from superconv_ray.training.loop import TrainingRun
from superconv_ray.training.team import DistributedTeam

ANSWER_SECONDS = 2.0
"""Time that Ray has to send what a call returns."""
NOTICE_SECONDS = 60.0
"""Time in which Ray notices that a process or its node has died."""
START_SECONDS = 600.0
"""Time in which the processes of a trial load torch, once they have been placed."""
SILENCE = timedelta(minutes=30)
"""Time that a collective waits for the others, such as for the first process while it evaluates."""


class Peer:
    """A process that follows the first one. It reads and writes no store."""

    def __init__(self, job: Job, datasets: Mapping[str, ray.ObjectRef]) -> None:
        self._builder = RunBuilder(
            job.models, lambda name: ray.get(datasets[name]), threads=job.threads, gpu=job.gpu
        )
        self._run: TrainingRun | None = None

    def join(self, address: str, port: int, rank: int, size: int) -> None:
        """Join the process group that the first process has opened."""
        join(_meeting(address, port, size), self._builder.device, rank, size)

    def begin(self, trial: CompleteTrial, state: bytes | None) -> Failure | None:
        """Build the run of a trial."""
        self._run = None
        team = DistributedTeam(self._builder.device)
        with _Leaving() as left:
            self._run = self._builder.build(trial, state, team).run
        return left.failure

    def train(self) -> Failure | None:
        """Train until the first process pauses."""
        with _Leaving() as left:
            assert self._run is not None, "the trial has begun"
            self._run.train()
        return left.failure


class _Leaving:
    """Ends the process after an exception, once Ray has sent the answer of the call.

    The others would wait for it in their next collective; that its connections close, they notice.
    """

    failure: Failure | None = None

    def __enter__(self) -> _Leaving:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, _: object) -> bool:
        if not isinstance(error, Exception):
            return False
        self.failure = Failure.of(error)
        threading.Timer(ANSWER_SECONDS, os._exit, [1]).start()
        return True


class RayPeers:
    """Starts the other processes of a trial with its first one, which is an actor of Tune's.

    Args:
        job: What is the same for all trials.
        datasets: Data sets in Ray's object store by name.
        request: What a trial requests.
    """

    def __init__(self, job: Job, datasets: Mapping[str, ray.ObjectRef], request: Request) -> None:
        self._job, self._datasets, self._request = job, datasets, request
        self._device = torch.device("cuda", 0) if job.gpu else torch.device("cpu")
        self._actors: list[Any] = []
        self._calls: list[ray.ObjectRef] = []

    def begin(self, trial: CompleteTrial, state: bytes | None) -> DistributedTeam:
        """See `Peers.begin`. The processes stay from one trial to the next."""
        if not self._actors:
            try:
                self._start()
            except RayError as error:
                self.end()
                raise LostPeerError(str(error)) from None
        self._calls = [actor.begin.remote(trial, state) for actor in self._actors]
        return DistributedTeam(self._device)

    def train(self) -> None:
        """See `Peers.train`."""
        self._calls = [actor.train.remote() for actor in self._actors]
        threading.Thread(target=self._end_if_stuck, args=(self._calls,), daemon=True).start()

    def disband(self, failure: Failure) -> Failure:
        """See `Peers.disband`."""
        try:
            return self._first(failure)
        finally:
            self.end()

    def end(self) -> None:
        """End the processes; the next trial starts others."""
        for actor in self._actors:
            ray.kill(actor)
        self._actors, self._calls = [], []
        if dist.is_initialized():
            dist.destroy_process_group()

    def _end_if_stuck(self, calls: list[ray.ObjectRef]) -> None:
        """End this process if another one is lost and this one still waits for it.

        The connections of a node that vanishes stay open, so a collective would wait for
        `SILENCE`. Ray notices much earlier.
        """
        try:
            ray.get(calls)
        except RayError:
            time.sleep(NOTICE_SECONDS)
            if self._calls is calls:
                os._exit(1)

    def _first(self, failure: Failure) -> Failure:
        """Return what happened first: this failure, or one of another process."""
        if not failure.follows:
            return failure
        lost = None
        for call in self._calls:
            try:
                found: Failure | None = ray.get(call, timeout=NOTICE_SECONDS)
            except RayError as error:  # also that there is no answer in time
                lost = error
            else:
                if found and not found.follows:
                    return found
        if lost:
            raise LostPeerError(str(lost))
        return failure

    def _start(self) -> None:
        group, size = get_current_placement_group(), self._request.processes
        part = self._request.part()
        make = ray.remote(Peer).options
        self._actors = [
            make(
                num_cpus=part.get("CPU", 0),
                num_gpus=part.get("GPU", 0),
                scheduling_strategy=PlacementGroupSchedulingStrategy(
                    group, placement_group_bundle_index=rank
                ),
            ).remote(self._job, self._datasets)
            for rank in range(1, size)
        ]
        ray.get([a.__ray_ready__.remote() for a in self._actors], timeout=START_SECONDS)
        address = get_node_ip_address()
        store = _meeting(address, 0, size, is_master=True)
        self._calls = [
            actor.join.remote(address, store.port, rank, size)
            for rank, actor in enumerate(self._actors, start=1)
        ]
        join(store, self._device, 0, size)


def _meeting(address: str, port: int, size: int, *, is_master: bool = False) -> Any:
    """Open, or find, the place where the processes meet. Port 0 is a free one."""
    store: Any = dist.TCPStore  # type: ignore[attr-defined] # a public name, but not in the stubs
    return store(address, port, size, is_master, wait_for_workers=False)


def join(store: Any, device: torch.device, rank: int, size: int) -> None:
    """Join the process group of a trial, and return when all have.

    Args:
        store: The `TCPStore` in which the processes meet.
        device: Where this process computes.
        rank: Place of this process.
        size: Number of processes.
    """
    use_interface_of(get_node_ip_address())
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=SILENCE)


def use_interface_of(address: str) -> None:
    """Let gloo use the network interface that Ray uses, not the one that the host name stands for.

    On many systems, a host's name stands for its loopback address, which others cannot reach.
    """
    for name, addresses in psutil.net_if_addrs().items():
        if any(found.address == address for found in addresses):
            os.environ.setdefault("GLOO_SOCKET_IFNAME", name)
