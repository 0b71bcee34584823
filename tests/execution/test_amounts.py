"""CPUs, GPUs and processes of a trial, as a user asks for them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from superconv_ray.execution.amounts import Amounts, FilledIn


@pytest.mark.parametrize(
    ("asked", "has_gpus", "expected"),
    [
        ({}, False, FilledIn(1.0, 0.0, 1)),
        ({}, True, FilledIn(1.0, 1.0, 1)),
        ({"gpus": 4.0}, True, FilledIn(4.0, 4.0, 4)),
        ({"gpus": 4.0, "cpus": 48.0}, True, FilledIn(48.0, 4.0, 4)),
        ({"processes": 4}, True, FilledIn(4.0, 4.0, 4)),
        ({"processes": 4}, False, FilledIn(4.0, 0.0, 4)),
        ({"processes": 2, "gpus": 0.0}, True, FilledIn(2.0, 0.0, 2)),
        ({"gpus": 0.25}, True, FilledIn(1.0, 0.25, 1)),
        ({"cpus": "auto", "gpus": "auto"}, False, FilledIn("auto", 0.0, 1)),
    ],
)
def test_what_is_not_asked_for_follows_from_the_cluster(
    asked: dict[str, Any], has_gpus: bool, expected: FilledIn
) -> None:
    assert Amounts(**asked).filled_in(has_gpus=has_gpus) == expected


@pytest.mark.parametrize(
    "asked",
    [
        {"gpus": 1.0, "processes": 2},  # two would share a GPU, which NCCL refuses
        {"gpus": 0.5, "processes": 2},
        {"gpus": 2.0, "processes": 1},
        {"gpus": 2.5},
        {"gpus": 4.0, "processes": 2},
    ],
)
def test_each_process_has_a_gpu_of_its_own(asked: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="gpus_per_trial must be at most 1 for a trial of one"):
        Amounts(**asked)


def test_shares_are_measured_of_single_processes() -> None:
    message = "processes_per_trial must be 1 with 'auto', which measures single processes; got 2"
    with pytest.raises(ValueError, match=re.escape(message)):
        Amounts(cpus="auto", processes=2)


@pytest.mark.parametrize(("cpus", "threads"), [("auto", 1), (1.0, 1), (4.0, 2), (5.0, 2)])
def test_cpus_are_shared_among_processes(cpus: Any, threads: int) -> None:
    assert FilledIn(cpus, 0.0, 2).threads == threads
