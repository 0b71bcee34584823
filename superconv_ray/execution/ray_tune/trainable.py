"""What Ray Tune runs on the nodes; apart from the driver's code, whose imports take time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ray
from ray import tune

from superconv_ray.design.trial import Trial
from superconv_ray.execution.capacity import Request
from superconv_ray.execution.worker import SLICE_SECONDS, Job, Worker
from superconv_ray.storage.store import StoreError


@dataclass(frozen=True, repr=False)
class Assignment:
    """A trial inside Tune's config: opaque, or Tune would flatten its fields into every result."""

    trial: Trial
    request: Request

    def __repr__(self) -> str:
        return self.trial.id

    def __deepcopy__(self, _: object) -> Assignment:
        return self  # immutable, and Tune copies every config


class TrialTrainable(tune.Trainable):  # type: ignore[misc]
    """A warm actor that trains one trial after another; see `Worker`."""

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        """What Tune reserves for a trial; an actor goes on with trials that ask for the same."""
        return tune.PlacementGroupFactory([config["assignment"].request.resources()])

    def setup(
        self, config: dict[str, Any], job: Job, datasets: Mapping[str, ray.ObjectRef]
    ) -> None:
        """Called once an actor; reads data sets from Ray's object store, without a copy."""
        self._warnings: list[str] = []
        self._worker = Worker(job, lambda name: ray.get(datasets[name]), self._warnings.append)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take on the next trial."""
        self._worker.start(new_config["assignment"].trial)
        return True

    def step(self) -> dict[str, Any]:
        """Train for a slice of time. A store that fails is told in the result: the run is over."""
        outcome, store_error = None, None
        try:
            outcome = self._worker.work(SLICE_SECONDS)
        except StoreError as error:
            store_error = str(error)
        warnings, self._warnings[:] = tuple(self._warnings), ()
        return {
            "done": outcome is not None or store_error is not None,
            "outcome": outcome,
            "store_error": store_error,
            "warnings": warnings,
        }

    def get_auto_filled_metrics(self, *_: Any, **__: Any) -> dict[str, Any]:
        """None of Tune's own metrics: nobody reads them, and the driver would keep them all."""
        return {}

    def cleanup(self) -> None:
        """Called when the actor is stopped; after Ctrl-C that is in the midst of a trial."""
        self._worker.interrupt()
