"""Running a planner's trials one after another in this process, without Ray."""

from __future__ import annotations

from superconv_ray.design.trial import CompleteTrial
from superconv_ray.execution.interruption import sigterm_is_ctrl_c
from superconv_ray.execution.progress import Progress
from superconv_ray.execution.worker import SLICE_SECONDS, Worker
from superconv_ray.planning.planner import Planner


def run_local(planner: Planner, worker: Worker, progress: Progress) -> None:
    """Run until the planner is finished; on Ctrl-C the trial in progress is saved first."""
    with sigterm_is_ctrl_c():
        while isinstance(trial := planner.next(), CompleteTrial):
            worker.start(trial)
            progress.started(trial)
            try:
                while (outcome := worker.work(SLICE_SECONDS)) is None:
                    progress.refresh()
            except KeyboardInterrupt:
                worker.interrupt()
                raise
            planner.tell(trial.id, outcome)
            progress.ended(trial, outcome)
