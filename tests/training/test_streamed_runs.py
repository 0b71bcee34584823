"""Runs on images in files: like those on arrays, and continued in the middle of an epoch."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from superconv_ray.data.batches import DeviceData, TrainingBatches
from superconv_ray.data.device_data import memory_of, prepare_data, streamed
from superconv_ray.data.image_folder import image_folder
from superconv_ray.data.images import ImageDataset
from superconv_ray.data.streaming import Pending, StreamedInputs
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.training.loop import TrainingRun
from tests.image_files import make_folder
from tests.own_code import noise
from tests.training.made import everything, make_trial

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageDataset:
    root = tmp_path_factory.mktemp("images")
    make_folder(root / "train", 20)
    make_folder(root / "val", 7, seed=100)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SUPERCONV_DATA_DIR", str(root / "cache"))
        return image_folder(root / "train", root / "val", image_size=12)


def trial_of(**changes: Any) -> CompleteTrial:
    settings = {"data_count": 50, "batch_size": 16, "steps": 12, "eval_interval": 5}
    return make_trial(**settings | {"augment": "flip_resized_crop"} | changes)


def run_of(trial: CompleteTrial, data: DeviceData) -> TrainingRun:
    return TrainingRun(trial, data, trial.model)


def result(run: TrainingRun) -> dict[str, Any]:
    run.train()
    return everything(run)


def resident(images: ImageDataset) -> DeviceData:
    return prepare_data(images, CPU, threads=1, memory=1e12, stream=False)


@pytest.mark.parametrize(
    "changes",
    [
        {"augment": "none"},
        {"augment": "flip_crop", "precision": "bf16"},
        {"augment": noise},
        {"augment": "flip", "validation_fraction": 0.2},
        {"augment": "none", "data_count": 13, "batch_size": 32},
        {"augment": "flip_crop", "image_sizes": (6, 9, 12)},
    ],
)
def test_decoded_once_or_each_time_gives_the_same_numbers(
    images: ImageDataset, changes: dict[str, Any]
) -> None:
    trial = trial_of(**changes)
    once, each_time = resident(images), streamed(images, CPU, threads=2)
    assert isinstance(once.train_inputs, torch.Tensor)
    assert isinstance(each_time.train_inputs, StreamedInputs)
    assert result(run_of(trial, once)) == result(run_of(trial, each_time))


@pytest.mark.parametrize("stop", [1, 3, 5, 11])
def test_a_run_that_is_cut_off_in_an_epoch_continues_as_it_was(
    images: ImageDataset, stop: int
) -> None:
    trial = trial_of(dropout=0.2, image_sizes=(6, 12))
    whole = result(run_of(trial, streamed(images, CPU, threads=2)))
    cut = run_of(trial, streamed(images, CPU, threads=1))
    cut.train(pause=lambda: cut.step == stop)
    other = run_of(trial, streamed(images, CPU, threads=3))
    assert other.restore(cut.state()) is None
    assert result(other) == whole


def test_nothing_is_decoded_beyond_the_last_step(
    images: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, real = [], TrainingBatches._begin

    def noted(self: TrainingBatches, inputs: StreamedInputs, step: int, *rest: Any) -> Pending:
        begun.append(step)
        return real(self, inputs, step, *rest)

    monkeypatch.setattr(TrainingBatches, "_begin", noted)
    run_of(trial_of(), streamed(images, CPU, threads=2)).train()
    assert begun == [*range(12)]


def test_random_crops_make_another_run_than_central_squares(images: ImageDataset) -> None:
    data = streamed(images, CPU, threads=2)
    crops, squares = (result(run_of(trial_of(augment=a), data)) for a in ("resized_crop", "none"))
    assert crops["weights"] != squares["weights"]


def test_data_stay_on_the_device_if_they_fit_and_are_not_cropped_anew(
    images: ImageDataset,
) -> None:
    def is_streamed(memory: float, stream: bool) -> bool:
        data = prepare_data(images, CPU, threads=1, memory=memory, stream=stream)
        return isinstance(data.train_inputs, StreamedInputs)

    size = 81 * 12 * 12 * 3
    assert images.decoded_bytes == size
    assert not is_streamed(4 * size, stream=False)
    assert is_streamed(4 * size - 1, stream=False)
    assert is_streamed(4 * size, stream=True)
    assert 2**26 < memory_of(CPU, 1) <= memory_of(CPU, 1000)


def test_a_row_says_how_long_the_loop_waited_and_how_many_files_were_skipped(
    images: ImageDataset,
) -> None:
    run = run_of(trial_of(), streamed(images, CPU, threads=1))
    run.train(pause=lambda: run.step == 4)
    other = run_of(trial_of(), streamed(images, CPU, threads=1))
    other.restore(run.state())
    assert other.load is not None
    assert run.load is not None
    assert other.load.decode_seconds == run.load.decode_seconds > 0
    other.train()
    row = other.outcome().measurements
    assert row["skipped_files"] == 0
    assert row["decode_seconds"] > run.load.decode_seconds
    assert 0 < row["data_wait_seconds"] < row["train_seconds"]
    of_arrays = run_of(trial_of(augment="none"), resident(images))
    of_arrays.train()
    assert not {"data_wait_seconds", "decode_seconds"} & of_arrays.outcome().measurements.keys()
