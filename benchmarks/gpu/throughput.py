"""Point 4: samples per second, against other loops and against what the card can do."""

from __future__ import annotations

import importlib.util
import statistics
from collections.abc import Sequence

from torch.profiler import ProfilerActivity, profile

from benchmarks import training_loop
from benchmarks.gpu.report import NEEDS_CUDA, Found, Settings
from benchmarks.recording import Figure

CASES: Sequence[tuple[str, int, tuple[int, int, int], int]] = (  # model, batch, shape, steps
    ("lenet", 128, (28, 28, 1), 200),
    ("lenet", 512, (28, 28, 1), 200),
    ("resnet20", 128, (32, 32, 3), 100),
    ("resnet20", 1000, (32, 32, 3), 30),
    ("resnet56", 128, (32, 32, 3), 50),
    ("resnet56", 1000, (32, 32, 3), 15),
    ("wide32", 128, (32, 32, 3), 20),
    ("wide32", 512, (32, 32, 3), 10),
)
QUICK = (("lenet", 16, (28, 28, 1), 2),)
ROUNDS = 5
LAUNCH_BOUND = 0.8
"""Share of the time in kernels under which launching them is what takes the time."""


def run(settings: Settings) -> Found:
    """Measure all cases; on a CPU one small case, to show that the loops run."""
    with_loader = importlib.util.find_spec("torchvision") is not None and not settings.quick
    left_out = [] if settings.on_gpu else [f"throughput and where its time goes: {NEEDS_CUDA}"]
    if not with_loader:
        left_out.append("DataLoader and transforms: need torchvision")
    figures: list[Figure] = []
    for case in CASES if settings.on_gpu else QUICK:
        figures += _measure(*case, with_loader=with_loader, settings=settings)
    checks = {"every loop trains": all(_positive(figure) for figure in figures)}
    return Found(checks, figures if settings.on_gpu else [], left_out)


def _positive(figure: Figure) -> bool:
    return isinstance(figure.value, int | float) and figure.value > 0


def _measure(
    model: str,
    batch: int,
    shape: tuple[int, int, int],
    steps: int,
    *,
    with_loader: bool,
    settings: Settings,
) -> list[Figure]:
    data = training_loop.make_data(shape)
    makers = [training_loop.ours, training_loop.hand_written]
    makers += [training_loop.usual] if with_loader else []
    loops = [make(model, batch, data, settings.device) for make in makers]
    for loop in loops:
        loop(2)
    rounds = [
        [training_loop.samples_per_second(loop, steps, batch, settings.device) for loop in loops]
        for _ in range(1 if settings.quick else ROUNDS)
    ]
    case = f"{model}, batch {batch:,}"
    figures = [Figure(f"{case}: samples/s", round(statistics.median(one[0] for one in rounds)), "")]
    others = ("the shortest hand-written loop", "DataLoader and transforms in fp32")
    for place, other in enumerate(others[: len(loops) - 1], start=1):
        ratio = statistics.median(one[0] / one[place] for one in rounds)
        figures.append(Figure(f"{case}: speed", round(ratio, 2), "x", other))
    return [*figures, *(_where_time_goes(case, loops[0], settings) if settings.on_gpu else [])]


def _where_time_goes(case: str, loop: training_loop.Steps, settings: Settings) -> list[Figure]:
    """Share of the time in which kernels run, and kernels of a step."""
    steps = 20
    settings.wait()
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        loop(steps)
        settings.wait()
    kernels = [event for event in seen.events() if event.device_type.name == "CUDA"]
    busy = sum(event.device_time_total for event in kernels) / 1e6
    rate = training_loop.samples_per_second(loop, steps, 1, settings.device)
    share = busy / steps * rate
    bound = "launch-bound" if share < LAUNCH_BOUND else "bound by the card"
    return [
        Figure(f"{case}: time in kernels ({bound})", round(100 * share), "%", "all of the time"),
        Figure(f"{case}: kernels of a step", round(len(kernels) / steps), ""),
    ]
