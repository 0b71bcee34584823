"""Any data set as a run can train on it: on the device if it fits, else decoded when needed."""

from __future__ import annotations

import os
from functools import partial

import numpy as np
import torch

from superconv_ray.data.batches import DeviceData, labels_on, to_device
from superconv_ray.data.dataset import Dataset
from superconv_ray.data.images import AnyDataset, ImageDataset
from superconv_ray.data.streaming import (
    STATISTICS_COUNT,
    DecodingThreads,
    StreamedInputs,
    in_order,
)

RESIDENT_SHARE = 0.25
"""Share of a device's memory that decoded images may take; the rest is for models."""
_READ_BATCH = 256


def prepare_data(
    dataset: AnyDataset, device: torch.device, *, threads: int, memory: float, stream: bool
) -> DeviceData:
    """Return a data set for training.

    Images are decoded once and stay on the device if all of them fit. Both ways give the same
    numbers.

    Args:
        dataset: The data set.
        device: Where to train.
        threads: CPUs that decode.
        memory: Bytes of the device that a trial may use.
        stream: Decode images whenever they are needed, because every batch crops them differently.

    Raises:
        DamagedImageError, ChangedDataError, DataUnavailableError: See `ImageSource`.
    """
    if isinstance(dataset, Dataset):
        return to_device(dataset, device)
    if stream or dataset.decoded_bytes > RESIDENT_SHARE * memory:
        return streamed(dataset, device, threads)
    return to_device(
        decoded(dataset, threads),
        device,
        statistics_count=STATISTICS_COUNT,
        skipped=dataset.skipped,
    )


def streamed(dataset: ImageDataset, device: torch.device, threads: int) -> DeviceData:
    """Return images that are decoded when they are needed."""
    inputs = partial(
        StreamedInputs,
        size=dataset.image_size,
        crop=dataset.center_crop,
        decoding=DecodingThreads(threads),
        device=device,
    )
    return DeviceData(
        train_inputs=inputs(dataset.train),
        train_labels=labels_on(dataset.train_labels, device),
        test_inputs=inputs(dataset.test),
        test_labels=labels_on(dataset.test_labels, device),
        statistics_count=STATISTICS_COUNT,
        skipped=dataset.skipped,
    )


def decoded(dataset: ImageDataset, threads: int) -> Dataset:
    """Return the central squares of all images in main memory."""
    data = streamed(dataset, torch.device("cpu"), threads)
    parts = []
    for inputs in (data.train_inputs, data.test_inputs):
        images = np.empty(inputs.shape, np.uint8)
        numbers = torch.split(torch.arange(len(images)), _READ_BATCH)
        for chosen, batch in zip(numbers, in_order(inputs, numbers), strict=True):
            images[chosen[0] : chosen[-1] + 1] = batch.numpy()
        parts.append(images)
    return Dataset(
        train_inputs=parts[0],
        train_labels=dataset.train_labels,
        test_inputs=parts[1],
        test_labels=dataset.test_labels,
    )


def memory_of(device: torch.device, threads: int) -> float:
    """Return the bytes of memory that a trial may use: a GPU's, or a share of this machine's.

    Args:
        device: Where the trial computes.
        threads: Its CPUs; other trials share the machine.
    """
    if device.type == "cuda":
        return float(torch.cuda.get_device_properties(device).total_memory)
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return total * min(1.0, threads / (os.cpu_count() or 1))
