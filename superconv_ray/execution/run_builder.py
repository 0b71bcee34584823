"""Builds the runs of one process, and keeps a data set on its device from one to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from superconv_ray.data.batches import DeviceData
from superconv_ray.data.catalog import crops_while_decoding
from superconv_ray.data.device_data import memory_of, prepare_data
from superconv_ray.data.images import AnyDataset
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.execution.worker_failures import breaks_device, memory_advice
from superconv_ray.training.loop import TrainingRun
from superconv_ray.training.numerics import prepare_process
from superconv_ray.training.team import Team


@dataclass(frozen=True)
class Built:
    """A run that is ready to train.

    Attributes:
        run: The run.
        note: What the user should know about its checkpoint.
        refused: Whether the checkpoint cannot be used, and the run starts from the beginning.
    """

    run: TrainingRun
    note: str | None = None
    refused: bool = False


class RunBuilder:
    """Builds runs on this process's device.

    Args:
        models: The user's own models by name.
        load: Returns a data set by name.
        threads: CPU threads.
        gpu: Whether to compute on a GPU.
    """

    def __init__(
        self,
        models: Mapping[str, Callable[..., nn.Module]],
        load: Callable[[str], AnyDataset],
        *,
        threads: int,
        gpu: bool,
    ) -> None:
        torch.set_num_threads(threads)
        if gpu:
            prepare_process()
        self.device = torch.device("cuda", 0) if gpu else torch.device("cpu")
        self._models = models
        self._load = load
        self._threads = threads
        self._prepared: dict[tuple[str, bool], DeviceData] = {}

    def build(self, trial: CompleteTrial, state: bytes | None, team: Team | None = None) -> Built:
        """Return a trial's run.

        Args:
            trial: Complete settings.
            state: Where to continue; None: from the start.
            team: The processes that train it together; all must build it, from the same state.

        Raises:
            ValueError: The model cannot be built, the device fails, or only this process of several
                cannot use the state.
        """
        data = self._data(trial)
        model = self._models.get(trial.model, trial.model)
        run = TrainingRun(trial, data, model, team)
        if state is None:
            return Built(run)
        move, refusal = None, None
        try:
            move = run.restore(state)
        except ValueError as error:
            if memory_advice(str(error)) or breaks_device(str(error)):
                raise
            # It is corrupt, of another trial, of a model that was edited since, or of other
            # hardware in spite of deterministic=True. Train from the start rather than fail
            # forever.
            refusal = error
        if (team or Team()).decides(refusal is not None):
            run = TrainingRun(trial, data, model, team)
            return Built(run, f"{refusal}; trained from the start", refused=True)
        if refusal:  # on the hardware of this process alone
            raise refusal
        return Built(run, move and f"{trial.described()}: {move}")

    def _data(self, trial: CompleteTrial) -> DeviceData:
        """Return a trial's data set; a trial's share of the memory is for one only.

        Images that every batch crops differently take little, and stay beside those on the device:
        arms that differ in this follow each other.
        """
        stream = crops_while_decoding(trial.augment)
        key = (trial.dataset, stream)
        if key not in self._prepared:
            for other in [k for k in self._prepared if k[0] != trial.dataset]:
                del self._prepared[other]
            self._prepared[key] = prepare_data(
                self._load(trial.dataset),
                self.device,
                threads=self._threads,
                memory=memory_of(self.device, self._threads),
                stream=stream,
            )
        return self._prepared[key]
