"""Shares of devices: the arithmetic by hand, and a run on real Ray that measures and packs."""

from __future__ import annotations

import io
from collections.abc import Callable, Hashable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import Result
from rich.console import Console

from superconv_ray import Arm, Study, Trial, iterations, open_store
from superconv_ray.design.building import make_plan
from superconv_ray.design.outcome import Outcome
from superconv_ray.execution.amounts import FilledIn
from superconv_ray.execution.memory import peaks, reset_peaks
from superconv_ray.execution.packing import (
    CUDA_CONTEXT_BYTES,
    MOST_PER_GPU,
    Devices,
    Packing,
    largest_peaks,
    share_of,
    smallest_devices,
    trials_that_fit,
)
from superconv_ray.execution.ray_tune import runner
from superconv_ray.execution.request import Request
from superconv_ray.execution.session import RunOptions, run_plan
from superconv_ray.execution.shape import shape_of

GIB = 2**30
SMALL = Trial(dataset="digits", model="small_cnn", batch_size=32, max_lr=0.1)
LARGE = Trial(dataset="digits", model="resnet20", batch_size=512, max_lr=0.1)
T4 = Devices(gpu_bytes=16 * GIB, cpus_per_gpu=4.0, ram_bytes=0.0, most_cpus=8.0)
LAPTOP = Devices(gpu_bytes=None, cpus_per_gpu=1.0, ram_bytes=16.0 * GIB, most_cpus=8.0)


def packing(devices: Devices = T4, *, cpus: Any = 1.0, gpus: Any = "auto", **peak: Any) -> Packing:
    return Packing(devices, FilledIn(cpus, gpus, 1), peak.get("peaks", {}))


def shape(trial: Trial) -> Hashable:
    return shape_of(trial.settings())


def took(**bytes_: int) -> Outcome:
    return Outcome("completed", bytes_)


# Arithmetic


@pytest.mark.parametrize(
    ("memory", "peak", "fixed", "trials"),
    [
        (16.0, 2.0, 0.0, 6),  # 1.25 x 2 = 2.5 each
        (16.0, 2.0, 0.6, 5),  # 3.1 each
        (17.0, 1.0, 0.0, 12),  # 13.6, of which 12 is 1100 in binary digits and 13 is 1101
        (16.0, 12.8, 0.0, 1),  # all of it
        (16.0, 15.0, 0.0, 1),  # more than all of it, but it did run
    ],
)
def test_trials_fit_with_a_margin(memory: float, peak: float, fixed: float, trials: int) -> None:
    assert trials_that_fit(memory, peak, fixed) == trials


@pytest.mark.parametrize(
    ("amount", "trials", "share"),
    [(1.0, 1, 1.0), (1.0, 2, 0.5), (1.0, 3, 0.3333), (1.0, 7, 0.1428), (4.0, 3, 1.3333)],
)
def test_shares_are_rounded_down_to_what_ray_counts_in(
    amount: float, trials: int, share: float
) -> None:
    assert share_of(amount, trials) == share


@pytest.mark.parametrize("trials", range(1, MOST_PER_GPU + 1))
def test_the_computed_number_of_shares_fits_a_gpu(trials: int) -> None:
    ten_thousandths = round(share_of(1.0, trials) * 10_000)
    assert 10_000 // ten_thousandths == trials


def test_the_smallest_gpu_counts_because_a_trial_may_run_anywhere() -> None:
    nodes = [
        {"CPU": 0.0, "memory": 1.0},  # a head node that runs no trials
        {"CPU": 16.0, "GPU": 8.0, "memory": 128.0},
        {"CPU": 4.0, "GPU": 1.0, "memory": 32.0},
    ]
    assert smallest_devices(nodes, 16.0) == Devices(16.0, 2.0, 32.0, 16.0)
    assert smallest_devices([]) == Devices(None, 1.0, 0.0, 1.0)


# GPUs


def test_an_unknown_shape_gets_a_whole_gpu() -> None:
    assert packing().request(SMALL) == packing().largest_request() == Request(1.0, 1.0)


def test_a_measured_shape_gets_its_fraction() -> None:
    pack = packing()
    pack.learn(SMALL, took(peak_gpu_memory_bytes=2 * GIB))
    # 16 GiB / (1.25 x 2 GiB + 600 MiB) = 5.2
    assert pack.request(SMALL) == Request(1.0, 0.2)
    assert pack.request(LARGE) == Request(1.0, 1.0)


def test_the_largest_peak_of_a_shape_counts() -> None:
    pack = packing(peaks={shape(SMALL): 2 * GIB})
    pack.learn(SMALL, took(peak_gpu_memory_bytes=GIB))
    assert pack.request(SMALL).gpus == 0.2
    pack.learn(SMALL, took(peak_gpu_memory_bytes=6 * GIB))
    assert pack.request(SMALL).gpus == 1.0


def test_rates_lengths_and_seeds_do_not_change_the_shape_but_batches_do() -> None:
    same = Trial(dataset="digits", model="small_cnn", batch_size=32, max_lr=3.0, seed=4, steps=9)
    assert shape(same) == shape(SMALL)
    assert shape(Trial(dataset="digits", model="small_cnn", batch_size=64)) != shape(SMALL)


@pytest.mark.parametrize("name", ["optimizer_digest", "augment_digest", "loss_digest"])
def test_an_edited_function_of_the_users_is_another_shape(name: str) -> None:
    first, edited = (SMALL.settings() | {name: digest} for digest in ("1234", "5678"))
    assert shape_of(first) != shape_of(edited)


def test_a_switch_that_an_older_store_does_not_know_does_not_change_the_shape() -> None:
    assert shape_of(SMALL.settings() | {"sharpness": None}) == shape(SMALL)
    assert shape(SMALL.changed(sharpness=True)) != shape(SMALL)


def test_a_tiny_trial_shares_a_gpu_with_no_more_trials_than_mps_allows() -> None:
    pack = packing(replace(T4, gpu_bytes=80.0 * GIB), peaks={shape(SMALL): 2**20})
    assert pack.request(SMALL) == Request(1.0, share_of(1.0, MOST_PER_GPU))


def test_a_gpu_of_unknown_memory_is_not_shared() -> None:
    pack = packing(replace(T4, gpu_bytes=None), peaks={shape(SMALL): 2**20})
    assert pack.request(SMALL) == Request(1.0, 1.0)


def test_cpus_do_not_keep_gpus_idle() -> None:
    pack = packing(cpus="auto", peaks={shape(SMALL): 2**28})  # 16 on a GPU of 4 CPUs
    assert 16 * GIB // (1.25 * 2**28 + CUDA_CONTEXT_BYTES) == 17
    assert pack.request(SMALL) == Request(0.25, 0.0625)
    assert pack.request(LARGE) == Request(1.0, 1.0)


@pytest.mark.parametrize("gpus", [0.25, 1.0, 2.0])
def test_given_numbers_are_kept(gpus: float) -> None:
    pack = packing(gpus=gpus, cpus=3.0, peaks={shape(SMALL): GIB})
    assert pack.request(SMALL) == pack.request(LARGE) == Request(3.0, gpus)


# CPUs


def test_on_cpus_trials_share_memory_with_a_core_each() -> None:
    pack = packing(LAPTOP, cpus="auto", gpus=0.0)
    assert pack.request(SMALL) == Request(1.0, 0.0, 16 * GIB)
    pack.learn(SMALL, took(peak_memory_bytes=3 * GIB))  # 3.75 with the margin: four fit
    assert pack.request(SMALL) == Request(1.0, 0.0, 4 * GIB)
    nodes = [{"CPU": 8.0, "memory": 16.0 * GIB}, {"CPU": 2.0, "memory": 16.0 * GIB}]
    assert pack.request(SMALL).slots(nodes) == 4 + 2


def test_memory_is_not_divided_among_more_trials_than_there_are_cores() -> None:
    pack = packing(LAPTOP, cpus="auto", gpus=0.0, peaks={shape(SMALL): 2**20})
    assert pack.request(SMALL) == Request(1.0, 0.0, 2 * GIB)


def test_peaks_of_earlier_runs_are_read_from_rows() -> None:
    row = {**SMALL.settings(), "peak_memory_bytes": GIB}
    without = {**LARGE.settings(), "peak_memory_bytes": None}  # of an older version
    other = row | {"max_lr": 3.0, "peak_memory_bytes": 2.0 * GIB}
    assert largest_peaks([row, without, other], "peak_memory_bytes") == {shape(SMALL): 2.0 * GIB}


def test_a_value_that_is_neither_a_number_nor_auto_is_rejected(
    superconv: Callable[..., Result], sleepy_study: Path
) -> None:
    result = superconv("run", sleepy_study, "--gpus-per-trial", "half")
    assert result.exit_code == 2
    assert "'half' is neither a number nor 'auto'" in result.output


# Measuring


def test_a_peak_is_what_was_held_at_once_since_it_was_forgotten() -> None:
    cpu = torch.device("cpu")
    torch.ones(64 * 2**20)  # 256 MiB, given back at once
    before = peaks(cpu)["peak_memory_bytes"]
    reset_peaks(cpu)
    resting = peaks(cpu)["peak_memory_bytes"]
    torch.ones(32 * 2**20)
    assert before - resting > 200 * 2**20
    assert peaks(cpu)["peak_memory_bytes"] - resting == pytest.approx(128 * 2**20, rel=0.1)


@pytest.mark.parametrize("used", [False, True])
def test_a_process_that_has_not_used_cuda_asks_it_for_no_reset(
    used: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CUDA refuses that: no GPU trial could ever begin."""
    asked: list[str] = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: used)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: asked.append("empty"))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _: asked.append("reset"))
    reset_peaks(torch.device("cuda", 0))
    assert asked == (["empty", "reset"] if used else [])


PLAN = make_plan(
    Study(
        name="packed",
        base=Trial(dataset="digits", model="small_cnn", batch_size=16, data_count=60),
        arms={policy: Arm(policy=policy, max_lr=0.1) for policy in ("constant", "one_cycle")},
        budget=iterations(10),
        seeds=2,
    )
)


def test_after_the_first_trial_of_a_shape_others_share(
    ray_session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[Request] = []

    class Noting(Packing):
        def request(self, trial: Trial) -> Request:
            requests.append(super().request(trial))
            return requests[-1]

    monkeypatch.setattr(runner, "Packing", Noting)
    store = str(tmp_path / "store")
    options = RunOptions(store=store, cpus_per_trial="auto", gpus_per_trial="auto")
    assert run_plan(PLAN, options, Console(file=io.StringIO())).trained == 4
    memory = int(ray_session.nodes()[0]["Resources"]["memory"])
    assert requests[0] == Request(1.0, 0.0, memory)
    measured = open_store(store).trials()["peak_memory_bytes"]
    assert (measured > 50 * 2**20).all()
    assert trials_that_fit(memory, measured.max()) >= 2  # else this machine is too small
    assert requests[-1] == Request(1.0, 0.0, memory // 2)  # one for each of two CPUs

    # What an earlier run has measured is not measured again
    pack = runner.packing_for(open_store(store), FilledIn("auto", 0.0, 1))
    assert pack.request(PLAN.cells[0].trainings[0]) == Request(1.0, 0.0, memory // 2)
