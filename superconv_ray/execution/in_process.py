"""Runs a planner's trials one after another in this process, without Ray."""

from __future__ import annotations

from superconv_ray.design.trial import CompleteTrial
from superconv_ray.execution.estimate import Position
from superconv_ray.execution.interruption import sigterm_is_ctrl_c
from superconv_ray.execution.run import Run
from superconv_ray.execution.worker import SLICE_SECONDS, Worker


def run_local(run: Run, worker: Worker) -> None:
    """Run until the planner is finished; on Ctrl-C, save the trial in progress first."""
    with sigterm_is_ctrl_c():
        while isinstance(trial := run.next(), CompleteTrial):
            worker.start(trial)
            run.progress.started(trial)
            try:
                while (outcome := worker.work(SLICE_SECONDS)) is None:
                    run.progress.at(trial, Position(*worker.position))
            except KeyboardInterrupt:
                worker.interrupt()
                raise
            run.ended(trial, outcome)
