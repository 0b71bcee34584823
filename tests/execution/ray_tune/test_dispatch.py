"""What trials Tune gets, and what becomes of those whose workers are lost; without Ray."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from superconv_ray import Arm, Study, Trial, iterations, open_store
from superconv_ray.data.readers import load_dataset
from superconv_ray.design.building import make_plan
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.execution.amounts import FilledIn
from superconv_ray.execution.packing import RAM, Devices, Packing
from superconv_ray.execution.progress import Progress
from superconv_ray.execution.ray_tune.assignment import Assignment
from superconv_ray.execution.ray_tune.dispatch import Dispatcher
from superconv_ray.execution.ray_tune.retries import MAX_ATTEMPTS, MAX_LOST_NODES
from superconv_ray.execution.run import Run
from superconv_ray.execution.worker import Job, Worker
from superconv_ray.planning.planner import Planner, Signal

NODE_DIED = "The actor died because its node has died. Node Id: 7c24"
OUT_OF_MEMORY = "OutOfMemoryError: killed as the node was running low on memory"


@pytest.fixture
def planner() -> Planner:
    study = Study(
        name="two",
        base=Trial(dataset="digits", data_count=60, batch_size=16, eval_interval=5),
        arms={"constant": Arm(policy="constant", max_lr=0.05)},
        budget=iterations(10),
        seeds=2,
    )
    return Planner(make_plan(study))


@pytest.fixture
def dispatcher(planner: Planner, store_uri: str) -> Dispatcher:
    """Of two trials, on nodes of 8 GiB whose memory trials share."""
    devices = Devices(gpu_bytes=None, cpus_per_gpu=1.0, ram_bytes=8.0 * 2**30, most_cpus=8.0)
    run = Run(planner, Progress(Console(file=io.StringIO())))
    return Dispatcher(run, Packing(devices, FilledIn("auto", 0.0, 1), {}), open_store(store_uri))


def given_to(dispatcher: Dispatcher, tune_id: str) -> CompleteTrial:
    assignment = dispatcher.next(tune_id)
    assert isinstance(assignment, Assignment)
    return assignment.trial


def test_every_trial_is_given_once_and_the_end_waits_for_those_in_progress(
    dispatcher: Dispatcher, planner: Planner
) -> None:
    first, second = given_to(dispatcher, "0"), given_to(dispatcher, "1")
    assert first != second
    dispatcher.started("0")
    assert (dispatcher.assignments.waiting, dispatcher.assignments.running) == (1, 1)
    assert dispatcher.next("2") is Signal.WAIT
    dispatcher.ended("0", Outcome("completed"))
    assert dispatcher.next("2") is Signal.WAIT  # the other may have to be started again
    dispatcher.ended("1", Outcome("diverged"))
    assert dispatcher.next("2") is Signal.FINISHED
    assert planner.outcomes == {first.id: "completed", second.id: "diverged"}


def test_a_trial_whose_worker_is_lost_comes_next_again(dispatcher: Dispatcher) -> None:
    trial = given_to(dispatcher, "0")
    dispatcher.lost("0", NODE_DIED)
    assert given_to(dispatcher, "1") == trial


def test_a_result_that_a_worker_wrote_before_it_died_counts(
    dispatcher: Dispatcher, planner: Planner, store_uri: str
) -> None:
    trial = given_to(dispatcher, "first")
    worker = Worker(
        Job(store=store_uri, models={}, checkpoint_seconds=60.0),
        lambda _: load_dataset("digits"),
        print,
    )
    worker.start(trial)
    assert worker.work() is not None
    dispatcher.lost("first", NODE_DIED)
    assert planner.outcomes == {trial.id: "completed"}
    assert given_to(dispatcher, "second") != trial


def test_a_trial_that_is_given_up_fails_with_every_reason_in_the_store(
    dispatcher: Dispatcher, planner: Planner, store_uri: str
) -> None:
    trial = given_to(dispatcher, "0")
    for attempt in range(MAX_ATTEMPTS):
        dispatcher.lost(str(attempt), f"its process ended with code {attempt}")
        following = given_to(dispatcher, str(attempt + 1))
    assert following != trial
    assert planner.outcomes == {trial.id: "failed"}
    error = open_store(store_uri).failures()[trial.id]["error"]
    assert error.startswith("given up: 4 workers died at the trial: its worker's process ended")
    assert all(f"with code {attempt}" in error for attempt in range(MAX_ATTEMPTS))


def test_a_trial_under_which_every_node_is_lost_is_set_aside_in_the_end(
    dispatcher: Dispatcher, store_uri: str
) -> None:
    trial = given_to(dispatcher, "0")
    for attempt in range(MAX_LOST_NODES):
        dispatcher.lost(str(attempt), NODE_DIED)
        following = given_to(dispatcher, str(attempt + 1))
    assert following != trial
    error = open_store(store_uri).failures()[trial.id]["error"]
    assert error.startswith("given up: 0 workers died at the trial, and 20 nodes were lost: ")


@pytest.mark.parametrize("killed", [False, True])
def test_a_trial_that_runs_out_of_its_share_of_memory_gets_all_of_it(
    dispatcher: Dispatcher, killed: bool
) -> None:
    dispatcher._packing.learn(given_to(dispatcher, "0"), Outcome("completed", {RAM: 2**30}))
    dispatcher.lost("0", NODE_DIED)
    trial = given_to(dispatcher, "1")
    assert dispatcher.request.memory_bytes == 8 * 2**30 // 6
    if killed:
        dispatcher.lost("1", OUT_OF_MEMORY)
    else:
        dispatcher.ended("1", Outcome("failed", error=OUT_OF_MEMORY))
    assert given_to(dispatcher, "2") == trial
    assert dispatcher.request.memory_bytes == 8 * 2**30
