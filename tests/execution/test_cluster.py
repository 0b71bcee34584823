"""One study on a cluster of several nodes whose worker, node and driver are killed in turn.

One story, told once, because a cluster and its drivers take seconds to start; the tests ask what
was left of it. Every training step is written down in `steps`; see steady_study.py. When something
is killed is left to chance.
"""

from __future__ import annotations

import io
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import Result

from superconv_ray import open_store
from tests.execution.steady_study import STEP_SECONDS

pytestmark = pytest.mark.usefixtures("own_ray")

PATIENCE = 600.0
"""Seconds that a test waits for another process."""
CUT_OFF = 6
"""How often a trial is cut off: one by a worker's death, one by a node's, two by the driver's, and
two by the end."""


class StepLog:
    """The file in which workers write down their steps."""

    def __init__(self, file: Path) -> None:
        self._file = file
        seed = random.SystemRandom().randrange(10**6)
        print(f"chance: {seed}")  # pytest shows it where a test fails
        self._chance = random.Random(seed)

    @property
    def lines(self) -> list[tuple[str, int, int]]:
        """Node, process and step."""
        text = self._file.read_text() if self._file.exists() else ""
        found = [line.split() for line in text.splitlines()]
        return [(node, int(process), int(step)) for node, process, step in found]

    def wait_for(self, driver: subprocess.Popen[str], nodes: int, beyond: int = 0) -> set[int]:
        """Until processes on so many nodes have taken some steps after that many lines.

        Returns:
            The processes.
        """
        until = time.monotonic() + PATIENCE
        wanted = self._chance.randint(1, 6)
        while True:
            steps = Counter((node, process) for node, process, _ in self.lines[beyond:])
            busy = {place for place, count in steps.items() if count >= wanted}
            if len({node for node, _ in busy}) >= nodes:
                time.sleep(self._chance.uniform(0.0, STEP_SECONDS))
                return {process for _, process in busy}
            assert driver.poll() is None, "the driver has ended"
            assert time.monotonic() < until, f"no trials on {nodes} nodes after {PATIENCE} s"
            time.sleep(0.05)


@dataclass(frozen=True)
class Story:
    """What happened.

    Attributes:
        store: Of the study, now complete.
        lines: All steps that were taken on the cluster.
        progress: Steps of all trials that were kept at the end of the story.
        exit_code: Of the driver, ended by SIGTERM.
        screen: What the drivers printed.
        joined: Node that joined the cluster while the study ran.
        command: Of the driver.
        last_run: The command line that went on from there.
    """

    store: str
    lines: list[tuple[str, int, int]]
    progress: int
    exit_code: int
    screen: str
    joined: str
    command: list[str]
    last_run: Result


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head that runs no trials; nodes are added by the test."""
    from ray.cluster_utils import Cluster

    folder = tempfile.mkdtemp(prefix="rc", dir="/tmp")  # sockets in it need a short path
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_TMPDIR", folder)  # or its address is left for others to find
        made = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 0,
                "object_store_memory": 80 * 2**20,
                "include_dashboard": False,
                "temp_dir": f"{folder}/ray",
                "_system_config": {
                    "health_check_initial_delay_ms": 1000,
                    "health_check_period_ms": 1000,
                    "health_check_timeout_ms": 60_000,  # only what is dead does not answer
                    "health_check_failure_threshold": 3,
                },
            },
        )
        yield made
        made.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def steady_study(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Puts the study into a folder of its own."""
    source = Path(__file__).with_name("steady_study.py")
    return lambda name: Path(shutil.copy(source, tmp_path_factory.mktemp(name)))


@pytest.fixture(scope="module")
def story(
    cluster: Any, steady_study: Callable[[str], Path], superconv: Callable[..., Result]
) -> Iterator[Story]:
    study = steady_study("story")
    store, log = study.with_name("store"), StepLog(study.with_name("steps"))
    command = [sys.executable, str(study), "run", "--store", str(store)]
    command += ["--address", cluster.address, "--checkpoint-seconds", "0.001"]  # after every step
    screen = study.with_name("screen").open("w+")

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(command, stdout=screen, stderr=screen, text=True)

    def add_node() -> Any:
        return cluster.add_node(wait=False, num_cpus=1, object_store_memory=80 * 2**20)

    driver = start()  # on a cluster without workers yet, as where an autoscaler adds them
    try:
        while "waiting for nodes" not in study.with_name("screen").read_text():
            assert driver.poll() is None, "the driver has ended"
            time.sleep(0.1)
        add_node()
        leaving = add_node()
        processes = log.wait_for(driver, nodes=2)
        os.kill(processes.pop(), signal.SIGKILL)
        log.wait_for(driver, nodes=2, beyond=len(log.lines))
        cluster.remove_node(leaving, allow_graceful=False)
        joined = add_node()
        log.wait_for(driver, nodes=2, beyond=len(log.lines))
        driver.kill()
        driver.wait()
        before = len(log.lines)
        driver = start()
        log.wait_for(driver, nodes=2, beyond=before + 2)
        driver.send_signal(signal.SIGTERM)
        exit_code = driver.wait(PATIENCE)
    finally:
        driver.kill()
        driver.wait()
    kept = [
        torch.load(io.BytesIO(checkpoint), weights_only=True)["progress"]["step"]
        for trial_id in open_store(store).begun_ids()
        if (checkpoint := open_store(store).checkpoint(trial_id)) is not None
    ]
    done = open_store(store).trials(columns=["steps_done"])["steps_done"].sum()
    study.with_name("awake").touch()
    yield Story(
        store=str(store),
        lines=log.lines,
        progress=sum(kept) + int(done),
        exit_code=exit_code,
        screen=study.with_name("screen").read_text(),
        joined=joined.node_id,
        command=command,
        last_run=superconv("run", study, "--local", "--store", store),
    )
    screen.close()


def test_a_node_that_joins_while_a_study_runs_is_used(story: Story) -> None:
    assert story.joined in {node for node, _, _ in story.lines}


def test_whatever_is_killed_costs_a_trial_no_more_than_the_time_since_its_last_checkpoint(
    story: Story,
) -> None:
    """Here one is written after every step: each cut can cost the step that was in progress."""
    assert 0 <= len(story.lines) - story.progress <= CUT_OFF


def test_sigterm_saves_trials_in_progress_and_says_how_to_go_on(story: Story) -> None:
    assert story.exit_code == 130
    arguments = " ".join(story.command[1:])
    assert story.screen.splitlines()[-1] == f"interrupted; to continue: python {arguments}"


def test_the_loss_of_a_node_is_not_a_failure_of_its_trial(story: Story) -> None:
    assert "0 failed" in story.last_run.stdout
    assert "given up" not in story.screen


def test_every_trial_is_stored_once_with_the_numbers_of_an_undisturbed_run(
    story: Story,
    steady_study: Callable[[str], Path],
    superconv: Callable[..., Result],
    assert_same_results: Callable[[str, str], None],
) -> None:
    assert story.last_run.exit_code == 0, story.last_run.output
    study = steady_study("undisturbed")
    study.with_name("awake").touch()
    store = study.with_name("store")
    assert superconv("run", study, "--local", "--store", store).exit_code == 0
    assert_same_results(story.store, str(store))
