"""Throughput of the training loop, compared with a minimal loop and with common practice.

    python -m benchmarks.training_loop [--rounds 5] [--threads 1]

"hand-written" has the same kernels, precision and memory layout as `TrainingRun` and nothing else:
no curve, no divergence check, no checkpoint. "usual" is torchvision transforms in a DataLoader, in
fp32. "deterministic" is `TrainingRun` with `deterministic=True`. All flip and crop. The runs are
interleaved, so that other work on the machine affects them equally. Ratios are medians over rounds.
The script uses a GPU if there is one.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, islice

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from benchmarks.recording import Figure, add_save_flag, save
from superconv_ray.data.batches import augment, to_device
from superconv_ray.data.dataset import Dataset
from superconv_ray.design.trial import Trial
from superconv_ray.models import build_model
from superconv_ray.training.loop import TrainingRun
from superconv_ray.training.numerics import prepare_process, resolve_precision

SAMPLES = 10_000
WARM_UP = 130  # steps; TrainingRun's next curve row is due at step 256
CASES = [  # model, batch size, input shape, steps a round
    ("lenet", 512, (28, 28, 1), 8),
    ("lenet", 128, (28, 28, 1), 24),
    ("resnet20", 128, (32, 32, 3), 3),
]

NAMES = {"lenet": "LeNet", "resnet20": "ResNet-20"}

Steps = Callable[[int], None]
"""Trains for some steps."""


def make_data(shape: tuple[int, int, int]) -> Dataset:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (SAMPLES, *shape), dtype=np.uint8)
    labels = np.arange(SAMPLES) % 10
    return Dataset(
        train_inputs=images,
        train_labels=labels,
        test_inputs=images[:100],
        test_labels=labels[:100],
    )


def ours(
    model: str, batch: int, data: Dataset, device: torch.device, *, deterministic: bool = False
) -> Steps:
    trial = Trial(
        model=model,
        batch_size=batch,
        steps=2**20,
        eval_interval=2**20,
        eval_count=10,
        max_lr=1e-4,
        data_count=SAMPLES,
        augment="flip_crop",
        weight_decay=1e-4,
        deterministic=deterministic,
    ).complete()
    run = TrainingRun(trial, to_device(data, device), model)
    run.train(pause=lambda: run.step >= WARM_UP)

    def steps(number: int) -> None:
        run.step = WARM_UP  # never reach the next curve row
        run.train(pause=lambda: run.step == WARM_UP + number)

    return steps


def hand_written(model: str, batch: int, data: Dataset, device: torch.device) -> Steps:
    resident = to_device(data, device)
    net = _network(model, data).to(device).to(memory_format=torch.channels_last)
    optimizer = _sgd(net, fused=True)
    bf16 = resolve_precision("auto", device) == "bf16"
    mean, std = torch.tensor(127.5, device=device), torch.tensor(74.0, device=device)
    generator = torch.Generator(device)

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            for part in torch.randperm(SAMPLES, device=device).split(batch)[:-1]:  # type: ignore[no-untyped-call]
                x = resident.train_inputs[part].permute(0, 3, 1, 2).float().sub_(mean).div_(std)
                yield augment(x, "flip_crop", generator), resident.train_labels[part]

    return _loop(net, optimizer, batches(), device, bf16)


def usual(model: str, batch: int, data: Dataset, device: torch.device) -> Steps:
    from torchvision import transforms

    size = data.train_inputs.shape[1]
    channels = data.train_inputs.shape[3]
    transform = transforms.Compose(
        [
            transforms.ToPILImage(),
            transforms.RandomCrop(size, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.5,) * channels, (0.29,) * channels),
        ]
    )

    class Images(TorchDataset[tuple[Tensor, int]]):
        def __len__(self) -> int:
            return SAMPLES

        def __getitem__(self, i: int) -> tuple[Tensor, int]:
            image: Tensor = transform(data.train_inputs[i])
            return image, int(data.train_labels[i])

    loader = DataLoader(Images(), batch_size=batch, shuffle=True, drop_last=True)

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            for x, y in loader:
                yield x.to(device), y.to(device)

    net = _network(model, data).to(device)
    return _loop(net, _sgd(net, fused=False), batches(), device, bf16=False)


def _network(model: str, data: Dataset) -> nn.Module:
    return build_model(model, input_shape=data.input_shape, classes=10, dropout=0.0)


def _sgd(net: nn.Module, *, fused: bool) -> torch.optim.Optimizer:
    return torch.optim.SGD(net.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4, fused=fused)


def _loop(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterator[tuple[Tensor, Tensor]],
    device: torch.device,
    bf16: bool,
) -> Steps:
    counter = count()

    def steps(number: int) -> None:
        for x, y in islice(batches, number):
            optimizer.param_groups[0]["lr"] = 1e-4 * (1 + math.cos(next(counter)))
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
                loss = F.cross_entropy(net(x), y)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    return steps


def samples_per_second(loop: Steps, steps: int, batch: int, device: torch.device) -> float:
    started = time.perf_counter()
    loop(steps)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return steps * batch / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    add_save_flag(parser)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    prepare_process()
    device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    precision = resolve_precision("auto", device)
    print(f"training loop on {device}, {arguments.threads} thread(s), auto precision = {precision}")
    print(f"{'':16}{'samples/s (median)':^33}{'ours / others (median)':^44}")
    print(
        f"{'case':16}{'ours':>9}{'hand-written':>14}{'usual':>10}"
        f"{'/ hand-wr.':>14}{'/ usual':>12}{'/ deterministic':>18}"
    )
    figures = []
    for model, batch, shape, steps in CASES:
        data = make_data(shape)
        loops = [
            make(model, batch, data, device)
            for make in (ours, hand_written, usual, partial(ours, deterministic=True))
        ]
        for loop in loops:
            loop(2)
        rounds = [
            [samples_per_second(loop, steps, batch, device) for loop in loops]
            for _ in range(arguments.rounds)
        ]
        speeds = [statistics.median(column) for column in zip(*rounds, strict=True)]
        to_hand, to_usual, to_deterministic = (
            statistics.median(speeds[0] / speeds[other] for speeds in rounds) for other in (1, 2, 3)
        )
        print(
            f"{f'{model} b{batch}':16}{speeds[0]:9,.0f}{speeds[1]:14,.0f}{speeds[2]:10,.0f}"
            f"{to_hand:13.2f}x{to_usual:11.2f}x{to_deterministic:17.2f}x"
        )
        what = f"speed of the training loop, {NAMES[model]}, batch {batch}"
        figures.append(Figure(what, round(to_hand, 2), "x", "a hand-written loop"))
        loader = "transforms + DataLoader + fp32"
        usually = f"{what}, against common practice"
        figures.append(Figure(usually, round(to_usual, 1), "x", loader))
        cost = f"time of a step with deterministic=True, {NAMES[model]}, batch {batch}"
        figures.append(Figure(cost, round(to_deterministic, 2), "x", "the same without"))
    if arguments.save:
        save("training_loop", figures)


if __name__ == "__main__":
    main()
