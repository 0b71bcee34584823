"""Room for trials on nodes that are written down here, and on those of a real Ray."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from superconv_ray.execution import capacity
from superconv_ray.execution.capacity import RoomWatch
from superconv_ray.execution.request import Request


@pytest.mark.parametrize(
    ("nodes", "cpus", "gpus", "slots"),
    [
        ([{"CPU": 2.0}], 1.0, 0.0, 2),
        ([{"CPU": 2.0}], 0.5, 0.0, 4),
        ([{"CPU": 3.0}, {"CPU": 3.0}], 2.0, 0.0, 2),
        ([{}, {"CPU": 8.0}], 4.0, 0.0, 2),  # a head node that is to run no trials
        ([{"CPU": 16.0, "GPU": 2.0}, {"CPU": 16.0}], 1.0, 0.25, 8),
        ([{"CPU": 4.0, "GPU": 8.0}], 1.0, 0.25, 4),
    ],
)
def test_slots_are_the_trials_that_fit_the_nodes_at_once(
    nodes: Sequence[dict[str, float]], cpus: float, gpus: float, slots: int
) -> None:
    assert Request(cpus, gpus).slots(nodes) == slots


@pytest.mark.parametrize(
    ("nodes", "cpus", "gpus"),
    [
        ([{"CPU": 2.0}, {"CPU": 2.0}], 3.0, 0.0),
        ([{"CPU": 8.0}, {"CPU": 1.0, "GPU": 1.0}], 2.0, 1.0),
        ([{"CPU": 8.0}], 1.0, 0.5),
    ],
)
def test_a_process_is_never_spread_over_two_nodes(
    nodes: list[dict[str, float]], cpus: float, gpus: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "cluster_nodes", lambda: nodes)
    assert Request(cpus, gpus).slots(nodes) == 0
    with pytest.raises(ValueError, match=f"a trial of {cpus:g} CPUs and {gpus:g} GPUs does not"):
        RoomWatch(Request(cpus, gpus), print)


@pytest.mark.parametrize(
    ("nodes", "slots"),
    [
        ([{"CPU": 1.0, "GPU": 1.0}] * 4, 2),
        ([{"CPU": 8.0, "GPU": 3.0}, {"CPU": 8.0, "GPU": 1.0}], 2),
        ([{"CPU": 8.0, "GPU": 3.0}], 1),
        ([{"CPU": 8.0, "GPU": 1.0}, {"CPU": 8.0}], 0),
    ],
)
def test_the_processes_of_a_trial_may_be_on_several_nodes(
    nodes: list[dict[str, float]], slots: int
) -> None:
    assert Request(2.0, 2.0, processes=2).slots(nodes) == slots


def test_a_trial_of_several_processes_waits_for_nodes_unless_none_can_join(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(capacity, "cluster_nodes", lambda: [{"CPU": 2.0}])
    said: list[str] = []
    four = Request(4.0, 0.0, processes=4)
    assert RoomWatch(four, said.append).may_wait > 0
    (line,) = said
    assert line.startswith("too few nodes yet: waiting for nodes with room for 4 processes with")
    refused = "a trial of 4 processes with 4 CPUs and 0 GPUs in all does not fit the nodes"
    with pytest.raises(ValueError, match=refused):
        RoomWatch(four, print, fixed_size=True)
    with pytest.raises(ValueError, match="a trial of 2 processes with 8 CPUs"):
        RoomWatch(Request(8.0, 0.0, processes=2), print)


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        (Request(4.0, 0.0), "lower --cpus-per-trial or --gpus-per-trial, split it"),
        (Request(4.0, 0.0, processes=2), "lower --processes-per-trial, --cpus-per-trial or"),
        (Request(9.0, 0.0), None),
        (Request(4.0, 1.0), None),
    ],
)
def test_a_trial_that_fits_in_parts_should_have_several_processes(
    wanted: Request, hint: str | None
) -> None:
    said = wanted.misfit([{"CPU": 3.0, "GPU": 1.0}, {"CPU": 1.0}])
    assert (", split it by --processes-per-trial 4, or add" in said) == (hint is not None)
    assert hint is None or hint in said


@pytest.mark.parametrize("gpus", [0.0, 1.0])
def test_trials_wait_for_workers_on_a_cluster_without_any(
    gpus: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is what makes an autoscaler start the first."""
    monkeypatch.setattr(capacity, "cluster_nodes", lambda: [{"memory": 1e9}])
    said: list[str] = []
    assert RoomWatch(Request(1.0, gpus), said.append).may_wait > 0
    (line,) = said
    assert line.startswith(
        f"no node runs trials yet: waiting for nodes with room for 1 CPUs and {gpus:g} GPUs"
    )
    assert ("--gpus-per-trial" in line) == (not gpus)  # GPUs cannot be seen before they are there


class Clock:
    """Stands for the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


def watch_for(
    seconds: float, running: int, watch: RoomWatch, clock: Clock, step: float = 0.1
) -> None:
    for _ in itertools.takewhile(lambda k: k * step < seconds, itertools.count()):
        clock.now += step
        watch.look(running)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(capacity, "time", clock)
    return clock


def test_a_cluster_without_a_fitting_node_is_reported_once_within_30_s(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = [{}, {"CPU": 1.0}, {"CPU": 2.0}]
    monkeypatch.setattr(capacity, "cluster_nodes", lambda: nodes)
    said: list[str] = []
    watch = RoomWatch(Request(2.0, 0.0), said.append)
    nodes.pop()
    watch_for(100.0, 1, watch, clock)
    assert said == []
    watch_for(30.0, 0, watch, clock)
    (line,) = said
    assert "a trial of 2 CPUs and 0 GPUs does not fit any node of the cluster" in line
    assert "0 CPUs and 0 GPUs, or 1 CPUs and 0 GPUs: lower --cpus-per-trial" in line
    watch_for(100.0, 0, watch, clock)
    assert said == [line]
    watch_for(capacity.REPEAT_SECONDS, 0, watch, clock)
    assert len(said) == 2  # nodes may be long in coming


def test_a_later_wait_without_a_fitting_node_is_reported_again(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = [{"CPU": 1.0}]
    monkeypatch.setattr(capacity, "cluster_nodes", lambda: nodes)
    said: list[str] = []
    watch = RoomWatch(Request(1.0, 0.0), said.append)
    nodes.pop()
    for running in (0, 1, 0):
        watch_for(30.0, running, watch, clock)
    assert len(said) == 2


def test_a_wait_for_room_names_other_users_as_a_possible_cause(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "cluster_nodes", lambda: [{"CPU": 1.0}])
    said: list[str] = []
    watch_for(100.0, 0, RoomWatch(Request(1.0, 0.0), said.append), clock)
    (line,) = said
    assert line.endswith("workers are still starting, or others use the nodes that have room")


def test_as_many_trials_wait_as_the_current_nodes_could_run(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes: list[dict[str, float]] = []
    monkeypatch.setattr(capacity, "cluster_nodes", lambda: nodes)
    watch = RoomWatch(Request(1.0, 0.0), print)
    assert watch.may_wait == capacity.WAITING_TRIALS
    nodes += [{"CPU": 2.0}, {"CPU": 64.0}]
    watch_for(10.0, 1, watch, clock)
    assert watch.may_wait == 66
