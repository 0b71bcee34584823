from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch

from superconv_ray.data import streaming
from superconv_ray.data.batches import Statistics, TrainingBatches
from superconv_ray.data.catalog import Augment, ResizedCrop
from superconv_ray.data.decoding import Cropping, Pixels
from superconv_ray.data.images import DataUnavailableError
from superconv_ray.data.streaming import (
    Ahead,
    DecodingThreads,
    Load,
    Pending,
    StreamedInputs,
    in_order,
)

CPU = torch.device("cpu")
SIZE = 4


class Numbered:
    """Images that show their number and the left edge of their crop; counts what is decoded."""

    remote = False

    def __init__(self, count: int = 40) -> None:
        self.count = count
        self.decoded: list[int] = []
        self.broken: set[int] = set()
        self.lock = threading.Lock()

    def __len__(self) -> int:
        return self.count

    def pixels(self, index: int, cropping: Cropping, size: int) -> Pixels:
        with self.lock:
            self.decoded.append(index)
        if index in self.broken:
            raise DataUnavailableError(f"image {index}")
        left, *_ = cropping(100, 100)
        return np.full((size, size, 3), (index, left, 0), np.uint8)


def inputs_of(images: Numbered, threads: int = 2) -> StreamedInputs:
    return StreamedInputs(
        images, size=SIZE, crop=1.0, decoding=DecodingThreads(threads), device=CPU
    )


def batches_of(
    images: Numbered,
    augment: Augment | ResizedCrop = "none",
    *,
    threads: int = 2,
    seed: int = 0,
    batch: int = 8,
    shown: torch.Tensor | None = None,
) -> TrainingBatches:
    return TrainingBatches(
        inputs_of(images, threads),
        torch.arange(len(images)),
        torch.arange(len(images)),
        batch_size=batch,
        seed=seed,
        augment=augment,
        statistics=Statistics(torch.zeros(3), torch.ones(3)),
        shown=shown,
    )


def shown(x: torch.Tensor) -> tuple[list[float], list[float]]:
    """Numbers of the images of a batch, and left edges of their crops."""
    return x[:, 0, 0, 0].tolist(), x[:, 1, 0, 0].tolist()


def test_a_batch_holds_the_images_of_its_labels() -> None:
    batches = batches_of(Numbered())
    for step in range(6):
        x, y = batches.batch(step)
        assert x.shape == (8, 3, SIZE, SIZE)
        assert shown(x)[0] == y.tolist()


@pytest.mark.parametrize("augment", ["none", "flip_resized_crop"])
def test_a_step_is_the_same_on_any_number_of_threads_and_after_any_others(
    augment: ResizedCrop,
) -> None:
    one = batches_of(Numbered(), augment, threads=1)
    in_turn = [one.batch(step)[0] for step in range(8)]
    other = batches_of(Numbered(), augment, threads=3)
    for step in (5, 6, 2, 7):
        assert torch.equal(other.batch(step)[0], in_turn[step])


def test_random_crops_differ_by_step_sample_and_seed() -> None:
    def edges(seed: int) -> list[float]:
        batches = batches_of(Numbered(), "resized_crop", seed=seed)
        return [edge for step in range(5) for edge in shown(batches.batch(step)[0])[1]]

    assert len(set(edges(0))) > 10
    assert edges(0) == edges(0)
    assert edges(0) != edges(1)
    assert set(shown(batches_of(Numbered(), "flip").batch(0)[0])[1]) == {0.0}


def test_a_process_decodes_its_own_part_of_each_batch_only() -> None:
    images = Numbered()
    part = batches_of(images, "flip_resized_crop", shown=torch.arange(4, 8))
    whole = batches_of(Numbered(), "flip_resized_crop")
    for step in range(5):
        (x, y), (expected, labels) = part.batch(step), whole.batch(step)
        assert torch.equal(x[4:], expected[4:])
        assert torch.equal(y, labels)
        assert not x[:4].any()
    assert len(images.decoded) <= (5 + 2 + 2 * 2 * streaming.CHUNK // 4) * 4


def test_arrays_cannot_be_cropped_while_they_are_decoded() -> None:
    with pytest.raises(ValueError, match="'resized_crop' crops images while they are decoded"):
        TrainingBatches(
            torch.zeros(4, 2, 2, 3, dtype=torch.uint8),
            torch.zeros(4, dtype=torch.int64),
            torch.arange(4),
            batch_size=2,
            seed=0,
            augment="resized_crop",
            statistics=Statistics(torch.zeros(3), torch.ones(3)),
        )


def test_only_a_few_batches_are_decoded_ahead() -> None:
    images = Numbered(10_000)
    batches = batches_of(images, threads=1, batch=50)
    for step in range(4):
        batches.batch(step)
    assert len(images.decoded) <= (4 + 3) * 50


def test_the_next_batches_are_decoded_while_the_loop_computes() -> None:
    images = Numbered(1_000)
    batches = batches_of(images, batch=50)
    x, _ = batches.batch(0)
    ready = threading.Event()
    real = images.pixels

    def noted(index: int, cropping: Cropping, size: int) -> Pixels:
        if len(images.decoded) >= 149:
            ready.set()
        return real(index, cropping, size)

    images.pixels = noted  # type: ignore[method-assign]
    batches.batch(1)
    assert ready.wait(60)  # without another call
    assert x.shape[0] == 50


def test_an_error_of_a_reader_reaches_the_loop_at_its_step() -> None:
    images = Numbered()
    images.broken = {batches_of(images).batch(3)[1][0].item()}  # type: ignore[arg-type]
    batches = batches_of(images)
    for step in range(3):
        batches.batch(step)
    with pytest.raises(DataUnavailableError, match="image"):
        batches.batch(3)


def test_evaluated_images_are_decoded_once_as_far_as_the_memory_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streaming, "KEPT_BYTES", 25 * SIZE * SIZE * 3)
    images = Numbered()
    inputs = inputs_of(images)
    parts = torch.arange(40).split(16)  # type: ignore[no-untyped-call]
    for _ in range(3):
        found = torch.cat([part.clone() for part in in_order(inputs, parts)])
        assert found[:, 0, 0, 0].tolist() == list(range(40))
    assert sorted(images.decoded) == sorted([*range(25), *(list(range(25, 40)) * 3)])


def test_inputs_have_the_face_of_a_tensor() -> None:
    inputs = inputs_of(Numbered())
    assert (inputs.shape, inputs.ndim, inputs.device) == ((40, SIZE, SIZE, 3), 4, CPU)
    found = inputs.index_select(0, torch.tensor([7, 3, 7]))
    assert found.dtype == torch.uint8
    assert found[:, 0, 0, 0].tolist() == [7, 3, 7]


def test_servers_get_more_threads_than_there_are_cpus() -> None:
    images, decoding = Numbered(), DecodingThreads(2)
    assert decoding.pool(images)._max_workers == 2
    images.remote = True
    assert decoding.pool(images)._max_workers == 2 * streaming.WAITING_THREADS


def test_cpus_needed_are_those_of_a_loop_that_never_waits() -> None:
    assert Load(1, waited_seconds=6.0, decode_seconds=8.0).cpus_needed(10.0) == 2.0
    assert Load(1, waited_seconds=10.0, decode_seconds=8.0).cpus_needed(10.0) == float("inf")


def test_what_was_begun_for_steps_that_are_not_wanted_is_dropped() -> None:
    begun: list[int] = []

    def begin(step: int, _: torch.Tensor | None) -> Pending:
        begun.append(step)
        return Pending(torch.full((1,), step), [], CPU)

    ahead = Ahead(begin, depth=2, stop=7)
    got: Callable[[int], int] = lambda step: int(ahead.get(step))  # noqa: E731
    assert [got(0), got(1), got(5), got(6), got(0)] == [0, 1, 5, 6, 0]
    assert begun == [0, 1, 2, 3, 5, 6, 0, 1, 2]


def test_a_batch_holds_until_the_next_is_asked_for_and_its_memory_is_used_again() -> None:
    inputs = inputs_of(Numbered())
    numbers = [[step, step + 1] for step in range(20)]
    ahead = inputs.ahead(lambda step, into: inputs.begin_kept(numbers[step], into), 2, 20)
    places = set()
    for step in range(20):
        images = ahead.get(step)
        places.add(images.data_ptr())
        for pending in ahead._pending.values():  # the threads write on meanwhile
            pending.result()
        assert images[:, 0, 0, 0].tolist() == numbers[step]
    assert len(places) <= 2 + ahead._depth


def test_memory_of_another_size_is_not_used() -> None:
    inputs = inputs_of(Numbered())
    small = torch.zeros(3, SIZE, SIZE, 3, dtype=torch.uint8)
    found = inputs.begin_kept([5, 6], small).result()
    assert found[:, 0, 0, 0].tolist() == [5, 6]
    assert not small.any()
