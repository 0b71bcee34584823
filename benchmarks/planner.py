"""Cost of planning: a study of 200,000 trials, and `next` and `tell` in one of 10,000.

    python -m benchmarks.planner [--trials 10000] [--planned 200000]

A plan is made and printed by a process of its own, from Python and by the command, whose CPU time
and peak memory count. In "points" each of its trials has settings of its own, the largest plan that
so many trials can have; in "seeds" there are 20 points.

Then the planner is driven.
"given" has trainings only. In "search" two arms tune max_lr with 200 trials in every cell, so
a surface is fitted to 200 scores. The outcomes are made up, and nothing is trained. Times are CPU
times of the thread. The surface is fitted in `tell`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.recording import Figure, add_save_flag, save
from superconv_ray import Arm, Study, Trial, Tuning, grid, iterations, tuned
from superconv_ray.design.building import make_plan
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.plan import Plan
from superconv_ray.design.text import text_table
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.planning.planner import Planner

TARGET_SECONDS, TARGET_MB = 10.0, 300.0
TARGET_MS = 2.0
SEARCH_TRIALS = 200
SEEDS = 50
RUNNING = 8


STUDY = """
from superconv_ray import Arm, Study, Trial, grid, iterations, main

study = Study(
    name="large",
    base=Trial(data_count=200, batch_size=16),
    arms={{"a": Arm(max_lr=0.1), "b": Arm(policy="cosine", max_lr=0.1)}},
    sweep=grid(weight_decay=[1e-6 * (1 + i) for i in range({points})]),
    budget=iterations(100),
    seeds={seeds},
)
"""
WAYS = {"study.plan()": "print(study.plan())", "superconv plan": "main(study)"}


def plan_cost(trials: int) -> Iterator[tuple[str, float, float]]:
    """Yield which plan was made and how, CPU seconds of its process, and peak MB."""
    shapes = {"points": (trials // 2, 1), "seeds": (20, trials // 40)}
    for shape, (points, seeds) in shapes.items():
        for way, call in WAYS.items():
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "large.py"
                path.write_text(STUDY.format(points=points, seeds=seeds) + call)
                command = [sys.executable, str(path), "plan"]
                environment = {**os.environ, "PYTHONPATH": os.getcwd()}
                with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as made:
                    _, status, usage = os.wait4(made.pid, 0)
                    made.returncode = os.waitstatus_to_exitcode(status)
            if made.returncode:
                raise RuntimeError(f"{way} of {trials:,} trials exited with {made.returncode}")
            yield f"{shape}, {way}", usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def given_plan(trials: int) -> Plan:
    """Return a plan with two arms, 50 seeds, and as many points as the trials need."""
    points = trials // (2 * SEEDS)
    return make_plan(
        Study(
            name="given",
            base=Trial(data_count=200, batch_size=16),
            arms={"a": Arm(max_lr=0.1), "b": Arm(policy="cosine", max_lr=0.1)},
            sweep=grid(weight_decay=[1e-6 * (1 + i) for i in range(points)]),
            budget=iterations(100),
            seeds=SEEDS,
        )
    )


def search_plan(trials: int) -> Plan:
    """Return the same plan with a search in every cell."""
    points = max(1, trials // (2 * (SEEDS + SEARCH_TRIALS)))
    arms = {policy: Arm(policy=policy, max_lr=tuned(1e-3, 10.0)) for policy in ("cosine", "linear")}
    return make_plan(
        Study(
            name="search",
            base=Trial(data_count=200, batch_size=16),
            arms=arms,
            sweep=grid(weight_decay=[1e-6 * (1 + i) for i in range(points)]),
            budget=iterations(100),
            seeds=SEEDS,
            tuning=Tuning(trials=SEARCH_TRIALS, per_seed=False),
        )
    )


def outcome(trial: CompleteTrial) -> Outcome:
    """Return an outcome with a score that differs from trial to trial."""
    score = int(trial.id[:6], 16) / 16**6
    names = ("test_accuracy", "validation_accuracy", "validation_loss")
    return Outcome("completed", dict.fromkeys(names, score))


def drive(planner: Planner) -> Iterator[tuple[str, float]]:
    """Run to the end with several trials in progress. Yield each call and its milliseconds."""
    running: list[CompleteTrial] = []
    while True:
        while len(running) < RUNNING:
            trial, milliseconds = timed(planner.next)
            yield "next", milliseconds
            if not isinstance(trial, CompleteTrial):
                break
            running.append(trial)
        if not running:
            return
        ended = running.pop(0)
        end = outcome(ended)
        _, milliseconds = timed(lambda: planner.tell(ended.id, end))  # noqa: B023 - called at once
        yield "tell", milliseconds


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    started = time.thread_time()
    result = call()
    return result, 1000 * (time.thread_time() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--planned", type=int, default=200_000)
    add_save_flag(parser)
    arguments = parser.parse_args()
    figures = show_plan_cost(arguments.planned)
    figures.append(show_planner_cost(arguments.trials))
    if arguments.save:
        save("planner", figures)


def show_plan_cost(trials: int) -> list[Figure]:
    costs = list(plan_cost(trials))
    rows = [
        [
            name,
            f"{seconds:.1f}",
            f"{megabytes:.0f}",
            "ok" if seconds <= TARGET_SECONDS and megabytes <= TARGET_MB else "MISSED",
        ]
        for name, seconds, megabytes in costs
    ]
    print(f"plan of {trials:,} trials; target: {TARGET_SECONDS:g} s, {TARGET_MB:g} MB")
    print(text_table(["", "CPU s", "peak MB", ""], rows))
    _, seconds, megabytes = costs[1]
    what = f"`superconv plan`, {trials:,} trials, each with settings of its own"
    return [
        Figure(f"{what}, CPU time", round(seconds, 1), "s"),
        Figure(f"{what}, peak memory", round(megabytes), "MB"),
    ]


def show_planner_cost(trials: int) -> Figure:
    rows = []
    for name, make in (("given", given_plan), ("search", search_plan)):
        plan = make(trials)
        planner, start = timed(lambda: Planner(plan))  # noqa: B023
        calls: dict[str, list[float]] = {"next": [], "tell": []}
        for call, milliseconds in drive(planner):
            calls[call].append(milliseconds)
        both = statistics.mean(calls["next"]) + statistics.mean(calls["tell"])
        rows.append(
            [
                f"{name}, {len(planner.outcomes):,} trials",
                f"{start:.0f}",
                f"{statistics.mean(calls['next']):.3f}",
                f"{max(calls['next']):.3f}",
                f"{statistics.mean(calls['tell']):.3f}",
                f"{max(calls['tell']):.1f}",
                f"{both:.3f}",
                "ok" if max(calls["next"]) <= TARGET_MS and both <= TARGET_MS else "MISSED",
            ]
        )
    print(f"planner, milliseconds; target: next, and next + tell on average, <= {TARGET_MS:g}")
    headings = ["", "start", "next", "worst", "tell", "worst", "next + tell", ""]
    print(text_table(headings, rows))
    what = f"`next` and `tell` together, {trials:,} trials, {SEARCH_TRIALS} tuning trials a search"
    return Figure(what, round(both, 1), "ms")


if __name__ == "__main__":
    main()
