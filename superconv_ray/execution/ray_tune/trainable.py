"""What Tune runs on the nodes. It imports no driver code, which would delay workers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ray
from ray import tune

from superconv_ray.execution.peers import LostPeerError
from superconv_ray.execution.request import Request
from superconv_ray.execution.worker import SLICE_SECONDS, Job, Worker
from superconv_ray.storage.store import StoreError


class TrialTrainable(tune.Trainable):  # type: ignore[misc]
    """A warm actor that trains one trial after another with a `Worker`."""

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        """Return what Tune reserves; an actor takes further trials with the same request."""
        request: Request = config["assignment"].request
        return tune.PlacementGroupFactory([request.part()] * request.processes)

    def setup(
        self, config: dict[str, Any], job: Job, datasets: Mapping[str, ray.ObjectRef]
    ) -> None:
        """Set up the actor, once. Data sets are read from Ray's object store without a copy."""
        self._warnings: list[str] = []
        request: Request = config["assignment"].request
        self._peers = None
        if request.processes > 1:
            from superconv_ray.execution.ray_tune.ray_peers import RayPeers

            self._peers = RayPeers(job, datasets, request)
        self._worker = Worker(
            job, lambda name: ray.get(datasets[name]), self._warnings.append, self._peers
        )
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take on the next trial."""
        self._worker.start(new_config["assignment"].trial)
        return True

    def step(self) -> dict[str, Any]:
        """Train for a slice of time. If the store fails, the result says so and the run ends."""
        outcome, store_error, lost = None, None, None
        try:
            outcome = self._worker.work(SLICE_SECONDS)
        except StoreError as error:
            store_error = str(error)
        except LostPeerError as error:
            lost = str(error)
        warnings, self._warnings[:] = tuple(self._warnings), ()
        return {
            "done": any(end is not None for end in (outcome, store_error, lost)),
            "position": self._worker.position,
            "outcome": outcome,
            "store_error": store_error,
            "lost": lost,
            "warnings": warnings,
        }

    def get_auto_filled_metrics(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Return none of Tune's own metrics: nobody reads them, and the driver keeps them all."""
        return {}

    def cleanup(self) -> None:
        """Save the trial in progress when the actor is stopped, as it is after Ctrl-C."""
        try:
            self._worker.interrupt()
        finally:
            if self._peers:
                self._peers.end()
