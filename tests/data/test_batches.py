import warnings
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from superconv_ray.data.batches import (
    Statistics,
    TrainingBatches,
    augment,
    input_statistics,
    prepare,
    to_device,
)
from superconv_ray.data.catalog import AUGMENTATIONS, Augment
from superconv_ray.data.dataset import Dataset
from superconv_ray.data.resizing import resized

N, H, W, C = 50, 6, 5, 3


def images(n: int = N, channels: int = C, dtype: torch.dtype = torch.uint8) -> Tensor:
    generator = torch.Generator().manual_seed(n)
    return torch.randint(0, 256, (n, H, W, channels), generator=generator).to(dtype)


def statistics(channels: int = C) -> Statistics:
    return Statistics(torch.arange(1.0, channels + 1), 2 * torch.arange(1.0, channels + 1))


def numbered(size: int, batch_size: int, **changes: Any) -> TrainingBatches:
    """Batches whose inputs and labels are the samples' own numbers, 100, 101, ... of 200."""
    arguments: dict[str, Any] = {
        "batch_size": batch_size,
        "seed": 1,
        "augment": "none",
        "statistics": Statistics(torch.zeros(1), torch.ones(1)),
    }
    everything = torch.arange(200)
    return TrainingBatches(
        everything.to(torch.float32)[:, None],
        everything,
        torch.arange(100, 100 + size),
        **arguments | changes,
    )


def is_channels_last(x: Tensor) -> bool:
    return x.is_contiguous(memory_format=torch.channels_last)


# Resident data


def test_tensors_on_the_cpu_alias_the_arrays_even_if_read_only_and_do_not_warn() -> None:
    labels = np.arange(4) % 2
    dataset = Dataset(
        train_inputs=np.ones((4, 2, 2), np.uint8),
        train_labels=labels,
        test_inputs=np.ones((4, 2, 2), np.uint8),
        test_labels=labels,
    )
    dataset.train_inputs.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resident = to_device(dataset, "cpu")
    assert resident.train_inputs.data_ptr() == dataset.train_inputs.ctypes.data
    assert resident.test_labels.data_ptr() == dataset.test_labels.ctypes.data
    assert resident.train_inputs.dtype == torch.uint8
    assert resident.train_inputs.shape == (4, 2, 2, 1)


# Statistics and preparation


def test_volumes_are_standardized_by_channel_and_are_channels_last() -> None:
    volumes = images(6 * 4).view(6, 4, H, W, C)
    found = input_statistics(volumes, torch.arange(6))
    assert torch.equal(
        found.mean, input_statistics(volumes.view(24, H, W, C), torch.arange(24)).mean
    )
    x = prepare(volumes, found)
    assert x.shape == (6, C, 4, H, W)
    assert x.is_contiguous(memory_format=torch.channels_last_3d)
    expected = (volumes[:, 1].float() - found.mean) / found.std
    assert torch.allclose(x[:, :, 1], expected.permute(0, 3, 1, 2))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_statistics_of_images_are_those_of_the_chosen_samples_by_channel(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("superconv_ray.data.batches._CHUNK_ELEMENTS", 7 * H * W * C)
    inputs, indices = images(dtype=dtype), torch.arange(3, 48, 2)
    got = input_statistics(inputs, indices)
    chosen = inputs[indices].numpy().astype(np.float64)
    np.testing.assert_array_equal(got.mean, chosen.mean((0, 1, 2)).astype(np.float32))
    np.testing.assert_allclose(got.std, chosen.std((0, 1, 2)), rtol=1e-7)
    assert got.mean.dtype == got.std.dtype == torch.float32


def test_statistics_of_vectors_are_by_feature_and_survive_large_offsets() -> None:
    vectors = torch.tensor([[1e6, 5.0, 0.1], [1e6 + 1, 7.0, 0.1], [1e6 + 2, 9.0, 0.1]])
    got = input_statistics(vectors, torch.arange(3))
    np.testing.assert_allclose(got.mean, [1e6 + 1, 7, 0.1], rtol=1e-7)
    np.testing.assert_allclose(got.std, [(2 / 3) ** 0.5, (8 / 3) ** 0.5, 1.0], rtol=1e-7)


def test_a_constant_feature_is_standardized_to_zero() -> None:
    vectors = torch.tensor([[0.1, 1.0], [0.1, 2.0], [0.1, 4.0]])
    x = prepare(vectors, input_statistics(vectors, torch.arange(3)))
    assert torch.equal(x[:, 0], torch.zeros(3))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_images_are_standardized_into_channels_last(channels: int, dtype: torch.dtype) -> None:
    inputs, given = images(8, channels, dtype), statistics(channels)
    x = prepare(inputs, given)
    assert x.shape == (8, channels, H, W)
    assert x.dtype == torch.float32
    assert is_channels_last(x)
    for c in range(channels):
        torch.testing.assert_close(x[:, c], (inputs[..., c].float() - (c + 1)) / (2 * (c + 1)))


@pytest.mark.parametrize("inputs", [images(4, dtype=torch.float32), torch.ones(4, C)])
def test_preparing_leaves_the_resident_data_unchanged(inputs: Tensor) -> None:
    before = inputs.clone()
    prepare(inputs, statistics())
    assert torch.equal(inputs, before)


def test_standardized_data_have_mean_zero_and_variance_one() -> None:
    inputs = images()
    x = prepare(inputs, input_statistics(inputs, torch.arange(N)))
    torch.testing.assert_close(x.mean((0, 2, 3)), torch.zeros(C), atol=1e-6, rtol=0)
    torch.testing.assert_close(x.var((0, 2, 3), correction=0), torch.ones(C))


# Augmentation


def slow_augment(x: Tensor, kind: Augment, generator: torch.Generator) -> Tensor:
    """One sample and one pixel at a time, with the draws in the documented order."""
    b, _, h, w = x.shape
    flips, shifts = torch.zeros(b), torch.full((2, b), 4)
    if "flip" in kind:
        flips = torch.randint(2, (b,), generator=generator)
    if "crop" in kind:
        shifts = torch.randint(9, (2, b), generator=generator)
    out = torch.zeros_like(x)
    for s in range(b):
        image = x[s].flip(2) if flips[s] else x[s]
        down, right = (int(shift) - 4 for shift in shifts[:, s])
        for i in range(h):
            for j in range(w):
                if 0 <= i + down < h and 0 <= j + right < w:
                    out[s, :, i, j] = image[:, i + down, j + right]
    return out


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", get_args(Augment))
def test_augmentation_equals_a_slow_loop_over_samples_and_pixels(
    kind: Augment, channels: int
) -> None:
    x = prepare(images(20, channels), statistics(channels))
    before = x.clone()
    got = augment(x, kind, torch.Generator().manual_seed(3))
    assert torch.equal(got, slow_augment(x, kind, torch.Generator().manual_seed(3)))
    assert torch.equal(x, before)
    assert got.shape == x.shape
    assert is_channels_last(got)


def test_flips_are_drawn_per_sample_about_half_of_the_time() -> None:
    x = prepare(images(1).expand(400, H, W, C).contiguous(), statistics())
    got = augment(x, "flip", torch.Generator().manual_seed(0))
    flipped = (got == x.flip(3)).flatten(1).all(1)
    assert ((got == x).flatten(1).all(1) ^ flipped).all()
    assert 160 < int(flipped.sum()) < 240


def test_crops_reach_every_offset_and_fill_with_zero() -> None:
    x = torch.ones(2000, 1, 9, 9).contiguous(memory_format=torch.channels_last)
    got = augment(x, "crop", torch.Generator().manual_seed(0))
    # the place of the visible rectangle in each of the 9 x 9 shifts
    assert len({tuple(picture.flatten().tolist()) for picture in got}) == 81
    assert set(got.flatten().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_augmentation_leaves_the_global_generator_alone(kind: Augment) -> None:
    before = torch.get_rng_state()
    augment(prepare(images(), statistics()), kind, torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)


def test_augmentations_that_do_not_apply_are_rejected() -> None:
    with pytest.raises(ValueError, match="one of none, flip, crop, flip_crop, got 'rotate'"):
        augment(torch.zeros(1, 1, 2, 2), "rotate", torch.Generator())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must be 'none' for inputs that are not images"):
        augment(torch.zeros(1, 2), "flip", torch.Generator())
    with pytest.raises(ValueError, match="must be 'none' for inputs that are not images"):
        numbered(10, 5, augment="crop")


# Training batches


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(1, 70), st.integers(0, 3))
def test_every_epoch_of_the_stream_covers_every_sample_once(
    size: int, batch_size: int, first: int
) -> None:
    batches = numbered(size, batch_size)
    steps = range(first, first + 2 * size // batch_size + 3)
    labels = torch.cat([batches.batch(step)[1] for step in steps])
    assert len(labels) == len(steps) * batch_size
    skip = -first * batch_size % size  # to the first epoch that starts inside
    for epoch in torch.split(labels[skip:], size):
        if len(epoch) == size:
            assert sorted(epoch.tolist()) == list(range(100, 100 + size))


def test_inputs_and_labels_stay_together() -> None:
    x, y = numbered(40, 16).batch(2)
    assert torch.equal(x[:, 0], y.to(torch.float32))
    assert x.shape == (16, 1)


def test_epochs_are_permuted_differently() -> None:
    batches = numbered(50, 50)
    orders = {tuple(batches.batch(step)[1].tolist()) for step in range(20)}
    assert len(orders) == 20


def test_a_batch_straddling_epochs_ends_one_and_starts_the_next() -> None:
    whole, straddling = numbered(10, 10), numbered(10, 4)
    stream = torch.cat([whole.batch(epoch)[1] for epoch in range(4)])
    for step in range(10):
        assert torch.equal(straddling.batch(step)[1], stream[4 * step : 4 * step + 4])


def image_batches(seed: int = 5, kind: Augment = "flip_crop", **settings: Any) -> TrainingBatches:
    inputs = images()
    return TrainingBatches(
        inputs,
        torch.arange(N),
        torch.arange(10, 47),
        batch_size=8,
        seed=seed,
        augment=kind,
        statistics=statistics(),
        **settings,
    )


def test_a_batch_depends_on_the_step_alone_and_not_on_what_was_asked_before() -> None:
    forward = image_batches()
    expected = [forward.batch(step) for step in range(15)]
    jumping = image_batches()
    for step in (14, 0, 7, 7, 3, 13, 1):
        x, y = jumping.batch(step)
        assert torch.equal(x, expected[step][0])
        assert torch.equal(y, expected[step][1])
        fresh = image_batches().batch(step)
        assert torch.equal(x, fresh[0])


def test_seeds_decide_the_order_and_augmentation_does_not_change_it() -> None:
    plain, augmented = image_batches(kind="none"), image_batches(kind="flip_crop")
    other = image_batches(seed=6)
    for step in range(6):
        assert torch.equal(plain.batch(step)[1], augmented.batch(step)[1])
        assert not torch.equal(plain.batch(step)[1], other.batch(step)[1])
    assert not torch.equal(plain.batch(0)[0], augmented.batch(0)[0])


def test_the_same_sample_is_augmented_differently_in_each_epoch() -> None:
    one = TrainingBatches(
        images(),
        torch.arange(N),
        torch.tensor([3]),
        batch_size=1,
        seed=0,
        augment="flip_crop",
        statistics=statistics(),
    )
    assert len({tuple(one.batch(step)[0].flatten().tolist()) for step in range(30)}) > 15


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_image_batches_are_standardized_samples_in_channels_last(dtype: torch.dtype) -> None:
    inputs = images(dtype=dtype)
    batches = TrainingBatches(
        inputs,
        torch.arange(N),
        torch.arange(N),
        batch_size=16,
        seed=0,
        augment="none",
        statistics=statistics(),
    )
    x, y = batches.batch(0)
    assert torch.equal(x, prepare(inputs[y], statistics()))
    assert is_channels_last(x)


def test_images_are_scaled_after_they_were_augmented() -> None:
    sizes = [12, 20]
    whole, small = image_batches(), image_batches(image_sizes=sizes, steps=4)
    for step, size in enumerate((12, 12, 20, 20)):
        x, y = small.batch(step)
        assert torch.equal(x, resized(whole.batch(step)[0], size))
        assert x.shape[2:] == (size, size)
        assert torch.equal(y, whole.batch(step)[1])
    with pytest.raises(ValueError, match="steps must be given with image_sizes, got None"):
        image_batches(image_sizes=sizes)


def test_batches_leave_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    image_batches().batch(9)
    assert torch.equal(torch.get_rng_state(), before)


def test_bad_arguments_are_rejected() -> None:
    with pytest.raises(ValueError, match="batch_size must be >= 1, got 0"):
        numbered(10, 0)
    with pytest.raises(ValueError, match="indices must not be empty"):
        numbered(0, 5)
    with pytest.raises(ValueError, match="step must be >= 0, got -1"):
        numbered(10, 5).batch(-1)
