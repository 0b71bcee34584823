"""Images decoded when they are needed, by threads that work ahead of the training loop.

What a step gets is a function of the step alone. So a run that was cut off continues in the middle
of an epoch, on any number of threads, with the same images. Memory is bounded by what is prepared
ahead and by `KEPT_BYTES`, however large the data set is.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from superconv_ray.data.decoding import Cropping, Pixels, center_crop
from superconv_ray.data.images import ImageSource

KEPT_BYTES = 256 * 2**20
"""Memory for images of each part that are evaluated again and again: the first ones are kept."""
CHUNK = 8
"""Images that a thread decodes in one go."""
WAITING_THREADS = 8
"""Threads for each CPU where reading is mostly waiting for a server."""
STATISTICS_COUNT = 2_000
"""Training images, the first in stratified order, whose mean and deviation standardize all.

The mean is known to about a fiftieth of the deviation, and a trial need not decode all images.
"""


class Inputs(Protocol):
    """Inputs of all samples of a part, [n, ..., c] or [n, f]; a tensor on the device is one."""

    @property
    def shape(self) -> torch.Size:
        """Number of samples, and shape of each."""

    @property
    def ndim(self) -> int:
        """Number of dimensions, that of samples included."""

    @property
    def device(self) -> torch.device:
        """Device of what `index_select` returns."""

    def index_select(self, dim: int, index: Tensor, /) -> Tensor:
        """Return some samples; `dim` is 0."""


@dataclass
class Load:
    """How much decoding a run needs, and how long its loop waited for it.

    Attributes:
        waited_seconds: Time for which the loop waited for images.
        decode_seconds: CPU time of the threads that decoded them.
        threads: Threads that decode.
    """

    threads: int
    waited_seconds: float = 0.0
    decode_seconds: float = 0.0

    def cpus_needed(self, seconds: float) -> float:
        """Return how many CPUs would decode fast enough for a loop that never waits.

        Args:
            seconds: Time that the loop took, waiting included.
        """
        computing = seconds - self.waited_seconds
        return self.decode_seconds / computing if computing > 0 else math.inf


class DecodingThreads:
    """Threads that decode the images of one process.

    Args:
        threads: How many images are decoded at a time.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pools: dict[int, ThreadPoolExecutor] = {}

    def pool(self, images: ImageSource) -> ThreadPoolExecutor:
        """Return the threads for images: more than CPUs if reading is mostly waiting."""
        count = self.threads * (WAITING_THREADS if images.remote else 1)
        if count not in self._pools:
            self._pools[count] = ThreadPoolExecutor(count, thread_name_prefix="decode")
        return self._pools[count]


@dataclass(frozen=True)
class Pending:
    """Images that are being decoded.

    Attributes:
        images: Where they are written, uint8 [b, size, size, c], on the CPU.
        parts: The work; each part returns its CPU time.
        device: Where they are wanted.
        finish: Called once with the complete images.
    """

    images: Tensor
    parts: Sequence[Future[float]]
    device: torch.device
    finish: Callable[[Tensor], None] = field(default=lambda _: None)

    def result(self, load: Load | None = None) -> Tensor:
        """Wait for the images and return them on the device.

        Args:
            load: Where to add up what this took.

        Raises:
            DamagedImageError, ChangedDataError, DataUnavailableError: See `ImageSource`.
        """
        started = time.perf_counter()
        seconds = sum(part.result() for part in self.parts)
        if load:
            load.waited_seconds += time.perf_counter() - started
            load.decode_seconds += seconds
        self.finish(self.images)
        return self.images.to(self.device, non_blocking=True)

    def cancel(self) -> None:
        """Cancel the batches that are not being decoded yet."""
        for part in self.parts:
            part.cancel()


Begin: TypeAlias = Callable[[int, Tensor | None], Pending]
"""Begins the work of a step, in the memory of an earlier one where there is some."""


class Ahead:
    """Gives the results of steps while those of the next ones are being made.

    On the CPU, the memory of a step that has been looked at is used again: to touch fresh memory
    takes a tenth of the time of decoding.

    Args:
        begin: Begins the work of a step.
        depth: Number of steps to work ahead.
        stop: First step that does not exist; None: there is no last one.
    """

    def __init__(self, begin: Begin, depth: int, stop: int | None = None) -> None:
        self._begin = begin
        self._depth = depth
        self._stop = stop
        self._pending: dict[int, Pending] = {}
        self._given: Tensor | None = None
        self._free: list[Tensor] = []

    def get(self, step: int, load: Load | None = None) -> Tensor:
        """Return the images of a step, which hold until the next call.

        Steps may come in any order, but ascending is fast.
        """
        if self._given is not None:
            self._free.append(self._given)
            self._given = None
        end = step + self._depth + 1
        wanted = range(step, end if self._stop is None else min(end, self._stop))
        for other in self._pending.keys() - set(wanted):
            self._pending.pop(other).cancel()
        for one in wanted:
            if one not in self._pending:
                self._pending[one] = self._begin(one, self._free.pop() if self._free else None)
        pending = self._pending.pop(step)
        images = pending.result(load)
        if images is pending.images:  # and not a copy on another device
            self._given = images
        return images


class StreamedInputs:
    """Images of one part of a data set, decoded when they are needed; see `Inputs`.

    Args:
        images: Where they come from.
        size: Height and width of the decoded images.
        crop: Side of the central square, as a share of the shorter side.
        decoding: The threads that decode them.
        device: Where batches are wanted.
    """

    def __init__(
        self,
        images: ImageSource,
        *,
        size: int,
        crop: float,
        decoding: DecodingThreads,
        device: torch.device,
    ) -> None:
        self._images = images
        self._size = size
        self._center = center_crop(crop)
        self._pool = decoding.pool(images)
        self.threads = decoding.threads
        self.device = device
        self.shape = torch.Size((len(images), size, size, 3))
        self.ndim = 4
        self._kept: dict[int, Pixels] = {}

    def index_select(self, dim: int, index: Tensor, /) -> Tensor:
        """Return images, uint8 [b, size, size, 3]."""
        assert dim == 0, "images are chosen by their number"
        return self.begin_kept(index.tolist()).result()

    def begin_kept(self, indices: Sequence[int], into: Tensor | None = None) -> Pending:
        """Begin to decode central squares that may be wanted again.

        Args:
            indices: Numbers of the images.
            into: Memory that nobody looks at any more, of an earlier batch.
        """
        images = self._memory(len(indices), into)
        new = []
        for row, index in enumerate(indices):
            kept = self._kept.get(index)
            if kept is None:
                new.append(row)
            else:
                images[row] = torch.from_numpy(kept)
        parts = self._submit(images, new, indices, [self._center] * len(indices))

        def keep(decoded: Tensor) -> None:
            room = KEPT_BYTES // math.prod(self.shape[1:]) - len(self._kept)
            for row in new[: max(0, room)]:
                self._kept[indices[row]] = decoded[row].numpy().copy()

        return Pending(images, parts, self.device, keep)

    def begin(
        self,
        indices: Sequence[int],
        rows: Sequence[int],
        croppings: Sequence[Cropping] | None = None,
        into: Tensor | None = None,
    ) -> Pending:
        """Begin to decode the images of a batch.

        Args:
            indices: Numbers of the images.
            rows: Places in the batch that are looked at; the others stay black.
            croppings: What to show of each image; None: the central square.
            into: Memory that nobody looks at any more, of an earlier batch.
        """
        images = self._memory(len(indices), into)
        if len(rows) < len(indices):
            images.zero_()
        croppings = croppings or [self._center] * len(indices)
        return Pending(images, self._submit(images, rows, indices, croppings), self.device)

    def ahead(self, begin: Begin, batch: int, stop: int | None = None) -> Ahead:
        """Return what works ahead far enough to keep all threads busy.

        Args:
            begin: Begins the work of a step.
            batch: Images of a step.
            stop: First step that does not exist.
        """
        return Ahead(begin, 2 + 2 * self._pool._max_workers * CHUNK // batch, stop)

    def _memory(self, count: int, into: Tensor | None) -> Tensor:
        if into is not None and len(into) == count:
            return into
        pinned = self.device.type == "cuda"
        return torch.empty((count, *self.shape[1:]), dtype=torch.uint8, pin_memory=pinned)

    def _submit(
        self,
        images: Tensor,
        rows: Sequence[int],
        indices: Sequence[int],
        croppings: Sequence[Cropping],
    ) -> list[Future[float]]:
        into = images.numpy()

        def decode(chunk: Sequence[int]) -> float:
            started = time.thread_time()
            for row in chunk:
                into[row] = self._images.pixels(indices[row], croppings[row], self._size)
            return time.thread_time() - started

        chunks = (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))
        return [self._pool.submit(decode, chunk) for chunk in chunks]


def in_order(inputs: Inputs, parts: Sequence[Tensor]) -> Iterator[Tensor]:
    """Yield the inputs of each part, which hold until the next ones are asked for.

    Images of the next parts are decoded meanwhile.
    """
    if not isinstance(inputs, StreamedInputs):
        yield from (inputs.index_select(0, part) for part in parts)
        return
    ahead = inputs.ahead(
        lambda k, into: inputs.begin_kept(parts[k].tolist(), into),
        max(1, len(parts[0])),
        len(parts),
    )
    for k in range(len(parts)):
        yield ahead.get(k)
