"""Effect of random kills on a study: they cost time, and must change nothing else.

    python -m benchmarks.chaos [--kills 200] [--trials 60] [--seed 0]

A study of short trials runs on a Ray cluster of one head and two workers with two CPUs each, all on
this machine. About every five seconds a process is killed with SIGKILL: a worker during a trial (6
of 10), a node, which is replaced by another one (3 of 10), or the driver, which is started again
with the same command (1 of 10). If the study finishes before all kills are done, it runs again in a
new store. The results are compared with one undisturbed run of the same study on that cluster:

    lost        trials that are not in the store
    duplicated  trials that the store's files hold more than once
    unequal     trials with any other number, in their row or in their curve, bit for bit
    crashed     drivers that ended before the study did, with an exit code other than 1. (Code 1:
                trials were set aside because too many workers died; the next run tries them.)
    overhead    wall time of the disturbed runs / as many undisturbed ones - 1, and per kill. Most
                of it is the start of new workers, which import torch

`--kills 5` takes about a minute.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
from torch import Tensor

from benchmarks.models import Linear
from benchmarks.recording import Figure, add_save_flag, save
from superconv_ray import Arm, Study, Trial, from_range_test, iterations, main, open_store

STEPS = 40
STEP_SECONDS = 0.03
NODES = 2
CPUS = 2
WEIGHTS = {"worker": 6, "node": 3, "driver": 1}
PAUSE = (1.0, 9.0)
"""Seconds from one kill to the next, uniformly distributed. If kills come much faster than a worker
starts, no trial ever finishes."""
COUNTED = ("lost", "duplicated", "unequal", "crashed")
DIFFERS = ["train_seconds", "eval_seconds", "peak_memory_bytes", "finished_at", "host"]
"""Columns that differ between two runs of a trial: time, place, and memory of the process."""


class Slow(Linear):
    """A linear model that sleeps in every training step."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, after a pause in training."""
        if self.training:
            time.sleep(STEP_SECONDS)
        return super().forward(x)


def study(trials: int = 60) -> Study:
    """Return the study. A third of its trials are range tests, on which another third waits."""
    return Study(
        name="chaos",
        base=Trial(dataset="digits", data_count=100, batch_size=16, dropout=0.2, model="slow"),
        arms={
            "one_cycle": Arm(max_lr=from_range_test(steps=STEPS, high=0.5)),
            "constant": Arm(policy="constant", max_lr=0.1),
        },
        budget=iterations(STEPS),
        seeds=trials // 3,
        models={"slow": Slow},
    )


class Victims:
    """A cluster whose processes can be killed, and the driver of the study that runs on it."""

    def __init__(self, folder: Path, trials: int, chance: random.Random) -> None:
        from ray.cluster_utils import Cluster

        self._small = {"object_store_memory": 80 * 2**20}
        # Fast, but slow enough that nodes of a busy machine are not declared dead.
        times = dict.fromkeys(("initial_delay_ms", "period_ms", "timeout_ms"), 2000)
        health = {f"health_check_{name}": value for name, value in times.items()}
        self._cluster = Cluster(
            initialize_head=True,
            head_node_args={
                **self._small,
                "num_cpus": 0,
                "include_dashboard": False,
                "temp_dir": str(folder / "ray"),
                "_system_config": {**health, "health_check_failure_threshold": 3},
            },
        )
        self._nodes = [self._add_node() for _ in range(NODES)]
        self._folder = folder
        self._trials = trials
        self._chance = chance
        self.driver: subprocess.Popen[bytes] | None = None
        self.crashes = 0

    def _add_node(self) -> Any:
        return self._cluster.add_node(wait=False, num_cpus=CPUS, **self._small)

    def start_driver(self, store: Path) -> None:
        """Run the study, or continue it."""
        command = [sys.executable, "-m", "benchmarks.chaos", "study", "run"]
        command += ["--trials", str(self._trials), "--store", str(store)]
        command += ["--address", self._cluster.address]
        with (self._folder / "driver.log").open("ab") as log:
            self.driver = subprocess.Popen(
                [*command, "--checkpoint-seconds", "0.3"], stdout=log, stderr=log
            )

    def kill(self, kind: str, store: Path) -> bool:
        """Kill something of that kind. Return whether there was any."""
        if kind == "worker":
            return self._kill_worker()
        if kind == "node":
            self._cluster.remove_node(
                self._nodes.pop(self._chance.randrange(NODES)), allow_graceful=False
            )
            self._nodes.append(self._add_node())
        else:
            assert self.driver is not None
            self.driver.kill()
            self.driver.wait()
            self.start_driver(store)
        return True

    def _kill_worker(self) -> bool:
        at_work = self.workers()
        if at_work:
            os.kill(self._chance.choice(at_work), signal.SIGKILL)
        return bool(at_work)

    def workers(self) -> list[int]:
        """Return the processes that are running a trial, by the titles that Ray gives them."""
        found = []
        for node in self._nodes:
            raylet = node.all_processes["raylet"][0].process.pid
            with suppress(OSError):  # a process may end meanwhile
                for child in Path(f"/proc/{raylet}/task/{raylet}/children").read_text().split():
                    title = Path(f"/proc/{child}/cmdline").read_bytes().partition(b"\0")[0]
                    found += [int(child)] if title.endswith(b".train") else []
        return found

    def close(self) -> None:
        """Kill the driver and the cluster."""
        if self.driver is not None:
            self.driver.kill()
            self.driver.wait()
        self._cluster.shutdown()


@contextmanager
def victims(folder: Path, trials: int, chance: random.Random) -> Iterator[Victims]:
    given = Victims(folder, trials, chance)
    try:
        yield given
    finally:
        given.close()


def run_undisturbed(cluster: Victims, store: Path) -> float:
    """Return the wall time from the driver's start to its end."""
    begun = time.monotonic()
    cluster.start_driver(store)
    assert cluster.driver is not None
    if code := cluster.driver.wait():
        raise RuntimeError(f"the undisturbed run ended with exit code {code}")
    return time.monotonic() - begun


def run_disturbed(
    cluster: Victims, store: Path, chance: random.Random, left: int
) -> tuple[float, Counter[str]]:
    """Return the wall time from the first driver's start to the last one's end, and the kills."""
    begun = time.monotonic()
    killed: Counter[str] = Counter()
    cluster.start_driver(store)
    kill_at = begun
    while True:
        assert cluster.driver is not None
        code = cluster.driver.poll()
        if code == 0:
            return time.monotonic() - begun, killed
        if code is not None:
            # A trial whose workers were killed too often is set aside, which gives exit code 1. The
            # same command tries it again.
            cluster.crashes += code != 1
            cluster.start_driver(store)
        # Wait until it has connected, so that no driver is killed before it does anything.
        if killed.total() < left and time.monotonic() >= kill_at and cluster.workers():
            (kind,) = chance.choices(list(WEIGHTS), list(WEIGHTS.values()))
            killed[kind] += cluster.kill(kind, store)
            kill_at = time.monotonic() + chance.uniform(*PAUSE)
        time.sleep(0.1)


def results(store: Path) -> dict[str, str]:
    """Return each trial's row and curve as text that shows every bit of every number."""
    opened = open_store(store)
    trials = opened.trials().drop(columns=DIFFERS).set_index("trial_id").sort_index()
    curves = opened.curves().drop(columns="train_seconds").astype({"trial_id": str})
    lines = dict(curves.groupby("trial_id").apply(pd.DataFrame.to_csv))
    return {str(i): f"{row.to_dict()}\n{lines.get(i)}" for i, row in trials.iterrows()}


def duplicates(store: Path) -> int:
    rows = [
        trial_id
        for path in (store / "trials").glob("*.parquet")
        for trial_id in pq.read_table(path, columns=["trial_id"])["trial_id"].to_pylist()
    ]
    return len(rows) - len(set(rows))


def benchmark(kills: int, trials: int, seed: int, folder: Path) -> tuple[bool, list[Figure]]:
    """Print the figures after each run.

    Returns:
        Whether everything in `COUNTED` is zero, and the figures to save.
    """
    chance = random.Random(seed)
    killed: Counter[str] = Counter()
    found: Counter[str] = Counter()
    disturbed, runs = 0.0, 0
    with victims(folder, trials, chance) as cluster:
        undisturbed = run_undisturbed(cluster, folder / "undisturbed")
        expected = results(folder / "undisturbed")
        print(f"undisturbed: {len(expected)} trials in {undisturbed:.1f} s", flush=True)
        while killed.total() < kills:
            store = folder / f"disturbed-{runs}"
            seconds, these = run_disturbed(cluster, store, chance, kills - killed.total())
            got = results(store)
            found["lost"] += len(expected.keys() - got.keys())
            found["duplicated"] += duplicates(store)
            found["unequal"] += sum(got[i] != expected[i] for i in got.keys() & expected.keys())
            found["crashed"] = cluster.crashes
            killed += these
            disturbed += seconds
            runs += 1
            overhead = disturbed / (runs * undisturbed) - 1
            each = (disturbed - runs * undisturbed) / max(1, killed.total())
            what = ", ".join(f"{killed[kind]} {kind}s" for kind in WEIGHTS)
            counts = ", ".join(f"{name} {found[name]}" for name in COUNTED)
            print(
                f"{killed.total()} kills ({what}) in {runs} runs of {len(expected)} trials: "
                f"{counts}; {disturbed:.0f} s, time overhead {overhead:.0%}, "
                f"{each:.1f} s a kill",
                flush=True,
            )
    damaged = found.total() - found["crashed"]
    figures = [
        Figure(f"random kills ({what})", killed.total(), ""),
        Figure(f"trials lost, duplicated or changed by {kills} random kills", damaged, ""),
        Figure("drivers that crashed", found["crashed"], ""),
        Figure("wall time added by the kills", round(100 * overhead), "%", "undisturbed runs"),
        Figure("wall time added per kill", round(each, 1), "s"),
    ]
    return not found.total(), figures


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--trials", type=int, default=60, help="a multiple of three")
    parser.add_argument("--seed", type=int, default=0)
    add_save_flag(parser)
    return parser.parse_args()


if __name__ == "__main__":
    if sys.argv[1:2] == ["study"]:
        main(study, sys.argv[2:])
    given = parse()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that SIGTERM cleans up as well
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # everything is on loopback
    scratch = Path(tempfile.mkdtemp(prefix="ch", dir="/tmp"))  # sockets need a short path
    os.environ |= {
        "RAY_raylet_start_wait_time_s": "180",  # for a busy machine
        "RAY_TMPDIR": str(scratch),  # so that other processes do not find this cluster
    }
    try:
        whole, measured = benchmark(given.kills, given.trials, given.seed, scratch)
        if given.save:
            save("chaos", measured)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    sys.exit(0 if whole else 1)
