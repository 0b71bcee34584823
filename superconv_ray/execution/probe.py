"""Measures the pace of a workload on this machine by a few steps on made-up samples."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch

from superconv_ray.data.batches import DeviceData, ResidentDataset, to_device
from superconv_ray.data.catalog import DatasetFacts
from superconv_ray.data.dataset import Dataset
from superconv_ray.data.device_data import streamed
from superconv_ray.data.images import AnyDataset, ImageDataset
from superconv_ray.design.text import counted
from superconv_ray.design.trial import CompleteTrial, Template
from superconv_ray.execution.pace import FORWARD_SHARE, Pace, Spread, evaluated_samples
from superconv_ray.training.loop import CHECK_INTERVAL, TrainingRun
from superconv_ray.training.model import ModelSource
from superconv_ray.training.numerics import device_name, prepare_process, resolve_precision

SECONDS = 3.0
"""Time that the probe of a workload may take, without its first steps."""
SMALL_BATCH = 4
"""Batch of the first steps, which tell how much of the true batch there is time for."""
WARM_UP, BLOCKS = 3, 8
"""Steps that are not counted, and measurements that the spread is taken from."""
MADE_UP = 1_000
"""Samples that are made, if a batch is not larger."""


@dataclass(frozen=True)
class Probe:
    """What measures a workload.

    Attributes:
        device: Where to train.
        seconds: Time for each workload.
        threads: CPU threads of a trial.
        clock: Seconds, monotonic; the time of steps is the run's own.
    """

    device: torch.device
    seconds: float = SECONDS
    threads: int = 1
    clock: Callable[[], float] = time.perf_counter

    @classmethod
    def here(cls) -> Probe:
        """The probe of this machine: its first GPU, or else one thread of its processor."""
        on_gpu = torch.cuda.is_available()
        if on_gpu:
            prepare_process()
        return cls(torch.device("cuda", 0) if on_gpu else torch.device("cpu"))

    def has_precision_of(self, trial: Template) -> bool:
        """Whether the device has a trial's precision."""
        try:
            resolve_precision(trial.precision, self.device)
        except ValueError:
            return False
        return True

    def measure(self, trial: Template, model: ModelSource, data: AnyDataset | DatasetFacts) -> Pace:
        """Train for a few steps and, if there is time, evaluate.

        A batch that takes too long is not trained: the time of a smaller one is scaled, and can be
        twice too long, because large batches use a processor better. Where there is no time to
        evaluate, a sample counts as a third of its training.

        Args:
            trial: A trial of the workload.
            model: Name of a built-in model, or the user's own builder.
            data: The data set, or its shape.

        Raises:
            ValueError: The device does not have the trial's precision, or see `TrainingRun`.
            FloatingPointError: The training diverges before a step could be measured.
        """
        if trial.image_sizes is None:
            return self._at_one_size(trial, model, data)
        parts = [trial.changed(image_sizes=(size,)) for size in trial.image_sizes]
        return Pace.mean([self._at_one_size(part, model, data) for part in parts])

    def _at_one_size(
        self, trial: Template, model: ModelSource, data: AnyDataset | DatasetFacts
    ) -> Pace:
        with self._threads():
            batch, per_sample = self._largest_batch(trial, model, data)
            blocks = self._steps(trial, model, data, batch, BLOCKS)
            step = Spread.of(blocks, sum(blocks) / len(blocks))
            source = f"by a probe on {self._place()}"
            if batch < trial.batch_size:
                scaled = step.times(trial.batch_size / batch)
                step = Spread(scaled.low / 2, scaled.likely, scaled.high)
                source = f"scaled from batch {batch}, {source}"
            sample = self._evaluation(trial, model, data, FORWARD_SHARE * per_sample)
        return Pace(step, sample, source, on_gpu=self.device.type == "cuda")

    def _largest_batch(
        self, trial: Template, model: ModelSource, data: AnyDataset | DatasetFacts
    ) -> tuple[int, float]:
        """The largest batch up to the trial's that there is time for, and seconds of a sample.

        It grows step by step, because a GPU takes no longer for some samples than for few.
        """
        batch = min(SMALL_BATCH, trial.batch_size)
        while True:
            per_sample = self._steps(trial, model, data, batch, blocks=1)[0] / batch
            fits = min(trial.batch_size, int(self.seconds / ((WARM_UP + 1) * per_sample)))
            if fits < min(2 * batch, trial.batch_size) or fits == batch:
                return batch, per_sample
            batch = fits

    def _steps(
        self,
        trial: Template,
        model: ModelSource,
        data: AnyDataset | DatasetFacts,
        batch: int,
        blocks: int,
    ) -> list[float]:
        """Seconds of a step, for as many blocks as there is time for; at least one.

        Raises:
            FloatingPointError: The run diverges before.
        """
        run = self._run(trial, model, data, batch, steps=10**6)
        self._train(run, WARM_UP if batch > SMALL_BATCH else 1)
        until = self.clock() + self.seconds
        found: list[float] = []
        # On a GPU, steps are queued; every check of the loss waits for them.
        unit = CHECK_INTERVAL if self.device.type == "cuda" else 1
        while not run.diverged and len(found) < blocks and (not found or self.clock() < until):
            number, before = run.step, run.train_seconds
            stop = self.clock() + self.seconds / BLOCKS
            self._train(run, unit, stop)
            found.append((run.train_seconds - before) / (run.step - number))
        if not found:
            raise FloatingPointError(f"{trial.model} diverges at step {run.step} of a probe")
        return found

    def _train(self, run: TrainingRun, steps: int, until: float = 0.0) -> None:
        """Train for a multiple of so many steps, until then."""
        first = run.step
        run.train(pause=lambda: (run.step - first) % steps == 0 and self.clock() >= until)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _evaluation(
        self, trial: Template, model: ModelSource, data: AnyDataset | DatasetFacts, guess: float
    ) -> Spread:
        """Seconds to evaluate a sample once: of a run of one step, unless that takes too long."""
        run = self._run(trial, model, data, min(trial.batch_size, SMALL_BATCH), steps=1)
        tests = _made_count(data, 1) if isinstance(data, DatasetFacts) else len(data.test_labels)
        samples = evaluated_samples(run.trial.settings(), tests)
        if guess * samples > 2 * self.seconds:
            return Spread.exactly(guess)
        run.train()
        return Spread.exactly(run.outcome().measurements["eval_seconds"] / samples)

    def _run(
        self,
        trial: Template,
        model: ModelSource,
        data: AnyDataset | DatasetFacts,
        batch: int,
        steps: int,
    ) -> TrainingRun:
        samples = _prepared(data, batch, self.device, self.threads)
        labels = len(samples.train_labels)
        if not isinstance(data, DatasetFacts):
            labels = min(labels, trial.data_count)
        return TrainingRun(_shortened(trial, labels, batch, steps), samples, model)

    @contextlib.contextmanager
    def _threads(self) -> Iterator[None]:
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def _place(self) -> str:
        name = device_name(self.device)
        return name if self.device.type == "cuda" else f"{name}, {counted(self.threads, 'thread')}"


def _shortened(trial: Template, labels: int, batch: int, steps: int) -> CompleteTrial:
    ghosts = trial.ghost_batch_size
    return trial.complete(
        data_fraction=None,
        data_count=labels,
        validation_fraction=0.0,
        batch_size=batch,
        ghost_batch_size=ghosts if ghosts and batch % ghosts == 0 else None,
        steps=steps,
        policy="constant",
        max_lr=1e-4,
        eval_interval=steps,
        eval_count=2,
    )


def _made_count(facts: DatasetFacts, batch: int) -> int:
    return max(batch, MADE_UP, facts.outputs)


def _prepared(
    data: AnyDataset | DatasetFacts, batch: int, device: torch.device, threads: int
) -> DeviceData:
    """A user's own data set, or random images of the shape of a built-in one."""
    if isinstance(data, Dataset):
        return to_device(data, device)
    if isinstance(data, ImageDataset):
        return _streamed(data, device, threads)
    channels, *space = data.input_shape
    count = _made_count(data, batch)
    draws = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, *space, channels), dtype=torch.uint8, generator=draws)
    images, labels = images.to(device), (torch.arange(count) % data.outputs).to(device)
    return ResidentDataset(images, labels, images, labels)


@lru_cache(maxsize=1)
def _streamed(data: ImageDataset, device: torch.device, threads: int) -> DeviceData:
    """Images that are decoded for each step; those that are evaluated are kept."""
    return streamed(data, device, threads)
