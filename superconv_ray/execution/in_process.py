"""Runs a planner's trials one after another in this process, without Ray."""

from __future__ import annotations

import time

from superconv_ray.execution.estimate import Position
from superconv_ray.execution.interruption import sigterm_is_ctrl_c
from superconv_ray.execution.run import Run
from superconv_ray.execution.worker import SLICE_SECONDS, Worker
from superconv_ray.planning.planner import Signal

WAIT_SECONDS = 0.5


def run_local(run: Run, worker: Worker) -> None:
    """Run until the planner is finished; on Ctrl-C, save the trial in progress first."""
    with sigterm_is_ctrl_c():
        while (trial := run.next()) is not Signal.FINISHED:
            if trial is Signal.WAIT:  # for trials that another study's driver trains
                time.sleep(WAIT_SECONDS)
                continue
            worker.start(trial)
            run.progress.started(trial)
            try:
                while (outcome := worker.work(SLICE_SECONDS)) is None:
                    run.progress.at(trial, Position(*worker.position))
            except KeyboardInterrupt:
                worker.interrupt()
                raise
            run.ended(trial, outcome)
