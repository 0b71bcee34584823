"""Random numbers as functions of a trial's seed, and default generators left as they were."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from superconv_ray.data.seeds import derive_seed


@contextlib.contextmanager
def own_randomness(device: torch.device) -> Iterator[None]:
    """Allow seeding of the default generators; afterwards they are as they were before."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield


def seed_step(device: torch.device, seed: int, step: int, rank: int = 0) -> None:
    """Seed the device's default generator, which dropout draws from, as a function of the step.

    Processes that share a batch draw different numbers.
    """
    derived = derive_seed(seed, f"step in process {rank}" if rank else "step", step)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index].manual_seed(derived)
    else:
        torch.default_generator.manual_seed(derived)
