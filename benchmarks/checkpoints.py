"""Cost of checkpoints: a ResNet-20 trained with and without them, in interleaved runs.

    python -m benchmarks.checkpoints [--rounds 3] [--seconds 10] [--every 0.5] [--model resnet20]

"direct" times a checkpoint alone: serializing the state of the run, and writing it to a store on
the local disk, fsync included. "runs" trains the same trial with a checkpoint every `--every`
seconds and without checkpoints, one after the other, and reports the difference of the wall times
per checkpoint. The share of a run that checkpoints take at the default interval follows from
"direct".
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time

from benchmarks.recording import Figure, add_save_flag, save
from superconv_ray import Trial
from superconv_ray.data.batches import to_device
from superconv_ray.data.readers import load_dataset
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.execution.session import RunOptions
from superconv_ray.execution.worker import Job, Worker
from superconv_ray.storage.store import open_store
from superconv_ray.storage.writing import StoreWriter
from superconv_ray.training.loop import TrainingRun

TARGET = 0.01
DATA = load_dataset("digits")


def trial_of(model: str, steps: int) -> CompleteTrial:
    """Return a training that evaluates only at its end."""
    return Trial(
        model=model,
        data_count=1000,
        batch_size=64,
        steps=steps,
        max_lr=0.1,
        eval_interval=steps,
        eval_count=50,
    ).complete()


def direct(trial: CompleteTrial, repeats: int = 30) -> tuple[float, float, float]:
    """Return the median and the longest time of a checkpoint in seconds, and its size in MB."""
    run = TrainingRun(trial, to_device(DATA, "cpu"), trial.model)
    run.train(pause=lambda: run.step == 2)
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(folder)
        for _ in range(repeats):
            begun = time.perf_counter()
            StoreWriter(store).write_checkpoint(trial.id, run.state())
            seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds), max(seconds), len(run.state()) / 1e6


def seconds_of(trial: CompleteTrial, every: float) -> tuple[float, int]:
    """Return the wall time of a worker for the whole trial, and the checkpoints that it wrote."""
    written = 0
    with tempfile.TemporaryDirectory() as folder:
        job = Job(store=folder, models={}, checkpoint_seconds=every)
        worker = Worker(job, lambda _: DATA, print)
        write = worker.writer.write_checkpoint

        def count(trial_id: str, content: bytes) -> None:
            nonlocal written
            written += 1
            write(trial_id, content)

        worker.writer.write_checkpoint = count  # type: ignore[method-assign]
        worker.start(trial)
        begun = time.perf_counter()
        worker.work()
        return time.perf_counter() - begun, written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="about, of a run")
    parser.add_argument("--every", type=float, default=0.5, help="seconds between checkpoints")
    parser.add_argument("--model", default="resnet20")
    add_save_flag(parser)
    given = parser.parse_args()

    probe = 20
    alone, _ = seconds_of(trial_of(given.model, probe), float("inf"))
    trial = trial_of(given.model, max(probe, round(probe * given.seconds / alone)))
    median, greatest, size = direct(trial)
    print(f"direct: {1000 * median:.1f} ms a checkpoint of {size:.2f} MB, at most", end=" ")
    print(f"{1000 * greatest:.1f} ms")
    differences = []
    for _ in range(given.rounds):
        without, _ = seconds_of(trial, float("inf"))
        with_them, written = seconds_of(trial, given.every)
        differences.append((with_them - without) / written)
        print(f"runs: {without:.2f} s without, {with_them:.2f} s with {written} checkpoints")
    interval = RunOptions(store="").checkpoint_seconds
    print(f"runs: {1000 * statistics.median(differences):.1f} ms a checkpoint (median)")
    share = median / interval
    verdict = "ok" if share <= TARGET else "MISSED"
    print(f"one every {interval:g} s: {share:.3%} of the run (target {TARGET:.0%}): {verdict}")
    if given.save:
        what = f"a checkpoint of {given.model} ({size:.1f} MB, local disk)"
        part = f"share of a run, with one checkpoint every {interval:g} s"
        figures = [Figure(what, round(1000 * median), "ms")]
        save("checkpoints", [*figures, Figure(part, round(100 * share, 2), "%")])


if __name__ == "__main__":
    main()
