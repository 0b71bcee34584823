"""The acceptance run on a GPU: does everything hold on a card that tests show on CPUs?

    python -m benchmarks.gpu [--quick] [--points 2 3] [--output gpu.json] [--save]

It needs torch and the package's light dependencies (click, pandas, pillow, pyarrow, rich,
scipy, scikit-learn), and for the first point pytest, hypothesis and schedulefree. Ray is not
imported: studies run in this process, as with `--local`. Without a GPU every point does its part
for CPUs, or says that it needs CUDA. With `--save`, the findings of a GPU are written to
benchmarks/results, from which the documentation's page is made. The exit code is 1 if a check
fails.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from benchmarks.gpu import (
    agreement,
    determinism,
    device_tests,
    memory,
    sharing,
    syncs,
    throughput,
)
from benchmarks.gpu.report import PATH, Point, Settings, as_text, attempt, record_of, write
from superconv_ray.training.numerics import prepare_process

POINTS = (
    Point("Tests about devices", device_tests.run),
    Point("The same study on CPU and GPU", agreement.run),
    Point("Determinism and its cost", determinism.run),
    Point("Throughput", throughput.run),
    Point("Several trials on one card", sharing.run),
    Point("Out of memory", memory.run),
    Point("No waiting in a step", syncs.run),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    every = range(1, len(POINTS) + 1)
    parser.add_argument("--quick", action="store_true", help="as little as shows that it works")
    parser.add_argument("--points", type=int, nargs="*", choices=every, default=every)
    parser.add_argument("--output", type=Path, help="write the findings to this file")
    parser.add_argument("--save", action="store_true", help=f"write findings of a GPU: {PATH.name}")
    given = parser.parse_args()
    prepare_process()
    device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    settings = Settings(device, given.quick)
    if given.save and not settings.on_gpu:
        parser.error("--save needs a GPU: the documentation shows no CPU as one")
    torch.set_num_threads(1)
    found = {}
    for number in given.points:
        point = POINTS[number - 1]
        print(f"{number}. {point.title} ...", file=sys.stderr, flush=True)
        found[point.title] = attempt(point, settings)
    record = record_of(found, settings)
    print(as_text(record))
    for path in [given.output] * bool(given.output) + [PATH] * given.save:
        write(record, path)
    return int(not all(holds for one in found.values() for holds in one.checks.values()))


if __name__ == "__main__":
    sys.exit(main())
