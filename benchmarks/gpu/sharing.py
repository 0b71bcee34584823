"""Point 5: several trials on one device at a time, and their memory against the share they get."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch

from benchmarks.gpu.made import images, new_run, trial_of
from benchmarks.gpu.report import NEEDS_CUDA, Found, Settings
from benchmarks.recording import Figure
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.execution.amounts import FilledIn
from superconv_ray.execution.memory import peaks, reset_peaks
from superconv_ray.execution.packing import Devices, Packing
from superconv_ray.execution.shape import shape_of
from superconv_ray.training.numerics import prepare_process

ROOT = Path(__file__).parents[2]
MPS = "nvidia-cuda-mps-control"
READY, GO = "ready", "go"


def run(settings: Settings) -> Found:
    """Train on one process, and on several at a time with and without MPS."""
    model = "small_cnn" if settings.quick else "resnet20"
    steps = 2 if settings.quick else 300
    counts = (1, 2, 4, 8) if settings.on_gpu else (1,)
    figures: list[Figure] = []
    alone = [together(1, model, steps, settings)]
    for count in counts[1:]:
        figures += _gain(count, together(count, model, steps, settings), alone[0], "processes")
    left_out = [] if settings.on_gpu else [f"processes and MPS on one card: {NEEDS_CUDA}"]
    if settings.on_gpu and shutil.which(MPS):
        with mps() as environment:
            for count in counts[1:]:
                found = together(count, model, steps, settings, environment)
                figures += _gain(count, found, alone[0], "processes under MPS")
    elif settings.on_gpu:
        left_out.append(f"MPS: {MPS} is not installed")
    checks = {"every process trains": all(one["seconds"] > 0 for one in alone)}
    if settings.on_gpu:
        memory = torch.cuda.get_device_properties(settings.device).total_memory
        share = share_by_auto(model, alone[0]["peak"], memory)
        what, used = f"memory of a process that trains {model}", alone[0]["of_process"]
        checks[f"{what}, stays within the share that `auto` gives it"] = used <= share
        figures.append(Figure(what, round(100 * used / share), "%", "its share by `auto`"))
    return Found(checks, figures if settings.on_gpu else [], left_out)


def _gain(
    count: int, found: Mapping[str, float], alone: Mapping[str, float], how: str
) -> list[Figure]:
    gain = count * alone["seconds"] / found["seconds"]
    return [Figure(f"trials an hour, {count} {how}", round(gain, 2), "x", "one after another")]


def share_by_auto(model: str, peak: float, memory: float) -> float:
    """Bytes of a card that `--gpus-per-trial auto` gives a trial with such a peak."""
    devices = Devices(gpu_bytes=memory, cpus_per_gpu=1.0, ram_bytes=0.0, most_cpus=1.0)
    trial = _trial(model, 2)
    packing = Packing(devices, FilledIn(1.0, "auto", 1), {shape_of(trial.settings()): peak})
    return packing.request(trial).gpus * memory


def together(
    count: int,
    model: str,
    steps: int,
    settings: Settings,
    environment: Mapping[str, str] | None = None,
) -> dict[str, float]:
    """Seconds until so many processes, begun at once, have trained; and memory of one."""
    command = [sys.executable, "-m", "benchmarks.gpu.sharing", "--device", str(settings.device)]
    command += ["--model", model, "--steps", str(steps)]
    with _processes(command, count, environment or {}) as processes:
        seconds, found = _trained(processes, model)
    largest: dict[str, float] = max(found, key=lambda one: one["peak"])
    return {**largest, "seconds": seconds}


@contextlib.contextmanager
def _processes(
    command: Sequence[str], count: int, environment: Mapping[str, str]
) -> Iterator[list[subprocess.Popen[str]]]:
    """Start processes; if an error ends their work together, none is left running."""
    with contextlib.ExitStack() as ends:
        processes = []
        for _ in range(count):
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            ends.enter_context(process)  # waits for it
            ends.callback(process.kill)  # before that; nothing happens to one that has ended
            processes.append(process)
        yield processes


def _trained(
    processes: Sequence[subprocess.Popen[str]], model: str
) -> tuple[float, list[dict[str, float]]]:
    """Let processes train at once: seconds until all have, and what each of them measured."""
    for process in processes:
        assert process.stdout is not None
        if process.stdout.readline().strip() != READY:
            raise RuntimeError(f"a process of {len(processes)} did not start to train {model}")
    started = time.perf_counter()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(f"{GO}\n")
        process.stdin.flush()
    found = []
    for process in processes:
        assert process.stdout is not None
        found.append(json.loads(process.stdout.readline()))
    seconds = time.perf_counter() - started
    for process in processes:
        process.communicate()
    return seconds, found


@contextlib.contextmanager
def mps() -> Iterator[dict[str, str]]:
    """Run NVIDIA's MPS with files of its own; the settings of the card stay as they are."""
    with tempfile.TemporaryDirectory() as folder:
        places = {"CUDA_MPS_PIPE_DIRECTORY": folder, "CUDA_MPS_LOG_DIRECTORY": folder}
        environment = {**os.environ, **places}
        subprocess.run([MPS, "-d"], env=environment, check=True)
        try:
            yield places
        finally:
            subprocess.run([MPS], input="quit\n", text=True, env=environment, check=False)


def _trial(model: str, steps: int) -> CompleteTrial:
    return trial_of(model=model, batch_size=128, steps=10**6 + steps, precision="auto")


def main() -> None:
    """Train in this process once the parent says so, and print seconds and memory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", type=torch.device, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--steps", type=int, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.device.type == "cuda":
        prepare_process()
    before = _free(given.device)
    reset_peaks(given.device)
    run = new_run(_trial(given.model, given.steps), images(256), given.device)
    run.train(pause=lambda: run.step == 2)
    print(READY, flush=True)
    sys.stdin.readline()
    started = time.perf_counter()
    run.train(pause=lambda: run.step == 2 + given.steps)
    if given.device.type == "cuda":
        torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    peak = peaks(given.device)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "peak": peak.get("peak_gpu_memory_bytes", peak["peak_memory_bytes"]),
                "of_process": max(0, before - _free(given.device)),
            }
        ),
        flush=True,
    )
    sys.stdin.readline()  # keep the memory until all have measured


def _free(device: torch.device) -> int:
    """Free memory of a card, before this process uses it at first; 0 on a CPU."""
    if device.type != "cuda":
        return 0
    command = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[0]) * 2**20


if __name__ == "__main__":
    main()
