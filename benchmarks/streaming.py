"""Images a second: decoders side by side, and the training pipeline against the bare decoder.

    python -m benchmarks.streaming [--files 600] [--rounds 5] [--loaders] [--save]

Every decoder reads JPEG files of 500 x 375 pixels, decodes them, takes a random resized crop and
flips it, on one thread; CPU time counts, so that other work on the machine matters little.
torchcodec is measured if it is installed.

The pipeline is what gives the batches of a run to its device, which standardizes and flips them.
Its CPU time, that of all threads, is compared with the bare decoder's: a thread that reads and
decodes the same files with the same crops and does nothing else.

With --loaders, loaders are compared with it by wall time, which needs a quiet machine: litdata (if
it is installed; from files that it has packed), Ray Data, and this package, with one process or
thread each that decodes with Pillow. Runs are interleaved, and ratios are medians.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.photographs import make_photographs
from benchmarks.recording import Figure, add_save_flag, save
from superconv_ray.data.batches import Statistics, TrainingBatches
from superconv_ray.data.decoding import DRAWS, decode, random_crop
from superconv_ray.data.device_data import streamed
from superconv_ray.data.image_folder import image_folder
from superconv_ray.data.images import ImageDataset
from superconv_ray.data.streaming import StreamedInputs

SIZES = (64, 224)
BATCH = 64


def crops(count: int) -> list[list[float]]:
    return [row.tolist() for row in np.random.default_rng(0).random((count, DRAWS))]


def pillow(content: bytes, draws: list[float], size: int) -> object:
    image = decode(content, random_crop(draws), size)
    return image[:, ::-1] if draws[0] < 0.5 else image


def torchvision_v2(content: bytes, draws: list[float], size: int) -> object:
    from torchvision.io import ImageReadMode, decode_jpeg

    data = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    return _resized(decode_jpeg(data, mode=ImageReadMode.RGB), draws, size)


def torchcodec(content: bytes, draws: list[float], size: int) -> object:
    from torchcodec.decoders import decode_image  # type: ignore[import-not-found]

    return _resized(decode_image(content), draws, size)


def _resized(image: torch.Tensor, draws: list[float], size: int) -> object:
    from torchvision.transforms.v2 import functional

    height, width = image.shape[1:]
    left, top, right, bottom = map(int, random_crop(draws)(width, height))
    part = functional.resized_crop(image, top, left, bottom - top, right - left, [size, size])
    return functional.horizontal_flip(part) if draws[0] < 0.5 else part


def decoder_rates(contents: list[bytes], rounds: int) -> Iterator[Figure]:
    """Images a second of CPU time of each decoder, the best of all rounds."""
    decoders = {"Pillow": pillow, "torchvision v2": torchvision_v2, "torchcodec": torchcodec}
    draws = crops(len(contents))
    for name, decoder in decoders.items():
        try:
            decoder(contents[0], draws[0], 64)
        except ImportError as error:
            print(f"{name}: not measured ({error})")
            continue
        rates = []
        for size in SIZES:
            best = min(_cpu_seconds(decoder, contents, draws, size) for _ in range(rounds))
            rates.append(round(len(contents) / best))
        yield Figure(
            f"{name}: decode, crop and flip to {SIZES[0]}, {SIZES[1]} pixels, one core",
            rates,
            "images/s",
        )


def _cpu_seconds(
    decoder: Callable[..., object], contents: list[bytes], draws: list[list[float]], size: int
) -> float:
    started = time.thread_time()
    for content, row in zip(contents, draws, strict=True):
        decoder(content, row, size)
    return time.thread_time() - started


def bare(data: ImageDataset, size: int, steps: int) -> float:
    """Images a second of a thread that does nothing but read and decode."""
    draws = crops(steps * BATCH)
    count = len(data.train)

    def work() -> None:
        for k, row in enumerate(draws):
            data.train.pixels(k % count, random_crop(row), size)

    with ThreadPoolExecutor(1) as pool:
        started = time.perf_counter()
        pool.submit(work).result()
    return len(draws) / (time.perf_counter() - started)


def pipeline(data: ImageDataset) -> tuple[TrainingBatches, StreamedInputs]:
    """The batches of a run with one decoding thread, and where they come from."""
    device_data = streamed(data, torch.device("cpu"), 1)
    inputs = device_data.train_inputs
    assert isinstance(inputs, StreamedInputs)
    batches = TrainingBatches(
        inputs,
        device_data.train_labels,
        torch.arange(len(data.train)),
        batch_size=BATCH,
        seed=0,
        augment="flip_resized_crop",
        statistics=Statistics(torch.zeros(3), torch.ones(3)),
    )
    return batches, inputs


def ours(data: ImageDataset, steps: int) -> float:
    """Images a second that one decoding thread gives to the device, in the order of training."""
    ahead = pipeline(data)[0]._ahead  # the device standardizes and flips them
    return _rate((ahead.get(step) for step in range(steps + 1)), steps)


def pipeline_share(data: ImageDataset, rounds: int) -> Figure:
    """Bare decoder's CPU time over that of the pipeline, threads included; the best of each."""
    steps = len(data.train) // BATCH
    best_bare = best_pipeline = math.inf
    for _ in range(rounds):
        started = time.process_time()
        bare(data, data.image_size, steps)
        best_bare = min(best_bare, time.process_time() - started)
        batches, inputs = pipeline(data)
        started = time.process_time()
        ahead = inputs.ahead(partial(batches._begin, inputs, crops=True), BATCH, stop=steps)
        for step in range(steps):
            ahead.get(step)
        best_pipeline = min(best_pipeline, time.process_time() - started)
    what = f"pipeline: random resized crops to {data.image_size} pixels, by CPU time"
    return Figure(what, round(best_bare / best_pipeline, 2), "x", "the bare decoder")


def ray_data(root: Path, size: int, steps: int) -> float:
    """Images a second of Ray Data with one CPU for decoding, after the first batch."""
    import ray

    def decoded(row: dict[str, bytes]) -> dict[str, object]:
        return {"image": decode(row["bytes"], random_crop(crops(1)[0]), size)}

    if not ray.is_initialized():
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="error",
            object_store_memory=200 * 2**20,
        )
    ray.data.DataContext.get_current().enable_progress_bars = False
    files = ray.data.read_binary_files(str(root / "train"))
    batches = files.map(decoded, compute=ray.data.TaskPoolStrategy(size=1)).iter_batches(
        batch_size=BATCH
    )
    return _rate(iter(batches), steps)


def lit_data(packed: str, size: int, steps: int) -> float:
    """Images a second of litdata with one worker process, after the first batch."""
    import litdata  # type: ignore[import-not-found]

    packed_images = litdata.StreamingDataset(
        packed, shuffle=True, transform=partial(decoded_somewhere, size=size)
    )
    loader = litdata.StreamingDataLoader(packed_images, batch_size=BATCH, num_workers=1)
    return _rate(iter(loader), steps)


def decoded_somewhere(content: bytes, size: int) -> torch.Tensor:
    """What litdata's process does with an image."""
    return torch.from_numpy(decode(content, random_crop(crops(1)[0]), size).copy())


def _rate(batches: Iterator[object], steps: int) -> float:
    next(batches)
    started, done = time.perf_counter(), 0
    for _ in batches:
        done += 1
        if done == steps:
            break
    return done * BATCH / (time.perf_counter() - started)


def read_whole(path: str) -> bytes:
    """What litdata packs."""
    return Path(path).read_bytes()


def loader_rates(root: Path, data: ImageDataset, rounds: int) -> Iterator[Figure]:
    """Loaders against the bare decoder, one thread or process each."""
    steps = len(data.train) // BATCH - 2
    loaders: dict[str, Callable[[], float]] = {
        "this package": lambda: ours(data, steps),
        "Ray Data": lambda: ray_data(root, data.image_size, steps),
    }
    try:
        import litdata
    except ImportError as error:
        print(f"litdata: not measured ({error})")
    else:
        packed = str(root / f"packed{data.image_size}")
        paths = [str(path) for path in sorted((root / "train").rglob("*.jpg"))]
        litdata.optimize(read_whole, paths, packed, chunk_bytes="16MB", num_workers=1)
        loaders["litdata"] = lambda: lit_data(packed, data.image_size, steps)
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in loaders}
    for _ in range(rounds):
        for name, loader in loaders.items():
            reference = bare(data, data.image_size, steps)
            rates[name].append((loader(), reference))
    for name, pairs in rates.items():
        yield Figure(
            f"{name}: random resized crops to {data.image_size} pixels, one decoding thread",
            round(statistics.median(rate / reference for rate, reference in pairs), 2),
            "x",
            "the bare decoder",
        )


def peak_memory(root: Path) -> int:
    """Peak memory, in MiB, of a process that makes 20 batches, above what its imports take."""
    code = (
        "import torch;"
        "from pathlib import Path;"
        "from benchmarks.streaming import data_of, pipeline;"
        "from superconv_ray.execution.memory import peaks, reset_peaks;"
        "torch.set_num_threads(1); cpu = torch.device('cpu');"
        "reset_peaks(cpu); before = peaks(cpu)['peak_memory_bytes'];"
        f"batches = pipeline(data_of(Path({str(root)!r}), 224))[0];"
        "all(len(batches.batch(step)) for step in range(20));"
        "print((peaks(cpu)['peak_memory_bytes'] - before) // 2**20)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(found.stdout)


def data_of(root: Path, size: int) -> ImageDataset:
    return image_folder(root / "train", root / "val", image_size=size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loaders", action="store_true", help="compare loaders by wall time")
    add_save_flag(parser)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SUPERCONV_DATA_DIR"] = folder
        few, many = Path(folder, "few"), Path(folder, "many")
        for root, count in ((few, arguments.files), (many, 5 * arguments.files)):
            make_photographs(root / "train", count)
            make_photographs(root / "val", 20)
        contents = [path.read_bytes() for path in sorted((few / "train").rglob("*.jpg"))]
        figures += decoder_rates(contents[:200], arguments.rounds)
        for size in SIZES:
            data = data_of(few, size)
            figures.append(pipeline_share(data, arguments.rounds))
            figures += loader_rates(few, data, arguments.rounds) if arguments.loaders else []
        for root, count in ((few, arguments.files), (many, 5 * arguments.files)):
            what = f"memory of 20 batches of {BATCH} images of 224 pixels, out of {count:,} files"
            figures.append(Figure(what, peak_memory(root), "MiB"))
    for figure in figures:
        print(f"{figure.what}: {figure.value} {figure.unit} {figure.next_to}")
    if arguments.save:
        save("streaming", figures)


if __name__ == "__main__":
    main()
