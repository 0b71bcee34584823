"""Damaged files: one file of a store is damaged, the store is read, and its study is run again."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import random
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence, Set
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unittest import mock

import pyarrow.parquet as pq
import torch
from rich.console import Console

from benchmarks.fault_injection.answers import (
    Finding,
    Readers,
    Reading,
    compare,
    compare_entries,
    read_study,
)
from benchmarks.fault_injection.stores import Sample, run
from superconv_ray.storage.lease import StudyInUseError
from superconv_ray.storage.writing import StoreWriter

KINDS = {
    r"trials/compact-.*": "compact trials",
    r"curves/compact-.*": "compact curves",
    r"trials/[0-9a-f]{20}\.parquet": "row of a trial",
    r"curves/[0-9a-f]{20}\.parquet": "curve of a trial",
    r"studies/[^/]*\.json": "definition",
    r"studies/[^/]*\.parquet": "study table",
    r"studies/.*/.*\.parquet": "earlier study table",
    r"failures/.*": "failure",
    r"checkpoints/.*": "checkpoint",
    r"leases/.*": "lease",
}
"""Pattern of a file -> its kind. Other files are kinds of their own."""
EARLIER = ("definition", "earlier study table")
"""Kinds of files that hold what a study was earlier."""
SECTOR = 512
"""Bytes that a disk loses together."""
TRIES = 3
"""Runs that follow the advice of the run before."""


@dataclass(frozen=True)
class Fault:
    """Damage to one file.

    Attributes:
        sample: Name of the store.
        file: Path of the file in the store.
        how: "flip", "zeros", "cut" or "empty".
        at: The bit, the sector or the byte.
    """

    sample: str
    file: str
    how: str
    at: int = 0

    @property
    def kind(self) -> str:
        """The kind of the file."""
        found = (kind for rule, kind in KINDS.items() if re.fullmatch(rule, self.file))
        return next(found, self.file)

    def damaged(self, content: bytes) -> bytes:
        """Return the content of the damaged file."""
        if self.how == "flip":
            changed = bytearray(content)
            changed[self.at // 8] ^= 1 << self.at % 8
            return bytes(changed)
        if self.how == "zeros":
            start = self.at * SECTOR
            end = min(start + SECTOR, len(content))
            return content[:start] + bytes(end - start) + content[end:]
        return content[: self.at]  # cut, empty


def make_faults(samples: Mapping[str, Sample], flips: int, seed: int) -> list[Fault]:
    """Draw faults: of every kind of file as many flips, and a tenth as many other damages each."""
    draw = random.Random(seed)
    by_kind: dict[str, list[tuple[str, str, int]]] = {}
    for name, sample in samples.items():
        for path in sorted(_files(sample)):
            file = path.relative_to(sample.folder).as_posix()
            by_kind.setdefault(Fault(name, file, "").kind, []).append(
                (name, file, path.stat().st_size)
            )
    each = -(-flips // len(by_kind))
    return [fault for files in by_kind.values() for fault in _drawn(files, each, draw)]


def _files(sample: Sample) -> set[Path]:
    return {
        path
        for pattern in sample.damaged
        for path in sample.folder.glob(pattern)
        if path.is_file() and path.stat().st_size
    }


def _drawn(files: list[tuple[str, str, int]], flips: int, draw: random.Random) -> Iterator[Fault]:
    for _ in range(flips):
        sample, file, size = draw.choice(files)
        yield Fault(sample, file, "flip", draw.randrange(8 * size))
    for _ in range(-(-flips // 10)):
        sample, file, size = draw.choice(files)
        yield Fault(sample, file, "zeros", draw.randrange(-(-size // SECTOR)))
        sample, file, size = draw.choice(files)
        yield Fault(sample, file, "cut", draw.randrange(1, size))
    sample, file, _ = draw.choice(files)
    yield Fault(sample, file, "empty")


def check_all(
    samples: Mapping[str, Sample], faults: Sequence[Fault], scratch: Path, jobs: int
) -> Iterator[tuple[Fault, list[Finding]]]:
    """Check each fault, in processes apart from this one, which a damaged file may crash."""
    scratch.mkdir()
    (scratch / "samples").write_bytes(pickle.dumps(dict(samples)))
    context = multiprocessing.get_context("forkserver")
    pool = ProcessPoolExecutor(jobs, context)
    for start in range(0, len(faults), jobs):
        together = faults[start : start + jobs]
        checks = [pool.submit(_check, scratch, fault) for fault in together]
        for fault, check in zip(together, checks, strict=True):
            try:
                yield fault, check.result()
            except BrokenProcessPool:
                yield fault, [Finding("crashed", "a process that reads damaged files died")]
                pool = ProcessPoolExecutor(jobs, context)
    pool.shutdown()


def _check(scratch: Path, fault: Fault) -> list[Finding]:
    return _damager(scratch).check(fault)


@cache
def _damager(scratch: Path) -> Damager:
    torch.set_num_threads(1)
    return Damager(pickle.loads((scratch / "samples").read_bytes()), scratch)


class Damager:
    """Damages copies of stores, reads them and runs their studies again.

    Args:
        samples: The stores.
        scratch: Folder for the copies.
    """

    def __init__(self, samples: Mapping[str, Sample], scratch: Path) -> None:
        self._samples = samples
        self._scratch = scratch
        self._readers = {name: Readers(sample.plan) for name, sample in samples.items()}
        self._truth = {name: self._readers[name].read(s.folder) for name, s in samples.items()}
        self._repaired = {name: read_study(s.repaired) for name, s in samples.items()}
        self._held = {name: _trials_of_files(sample) for name, sample in samples.items()}

    def check(self, fault: Fault) -> list[Finding]:
        """Damage a file, read the store, run the study, and return what went wrong."""
        sample = self._samples[fault.sample]
        copy = self._scratch / f"store-{os.getpid()}"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(sample.folder, copy, copy_function=shutil.copyfile)
        path = copy / fault.file
        path.write_bytes(fault.damaged(path.read_bytes()))
        held = self._held[fault.sample].get(fault.file, frozenset())
        found = list(self._misread(fault, copy, held))
        if sample.held:
            return found + _second_driver(copy, sample, fault.file)
        return found + self._misrun(fault, sample, copy, held)

    def _misread(self, fault: Fault, copy: Path, held: Set[str]) -> Iterator[Finding]:
        truth = self._truth[fault.sample]
        for reader, got in self._readers[fault.sample].read(copy).items():
            yield from compare(reader, truth[reader], got, fault.file, held)

    def _misrun(self, fault: Fault, sample: Sample, copy: Path, held: Set[str]) -> list[Finding]:
        trained, said, error = _run_again(copy, sample, fault.file)
        if error:
            return [Finding("crashed", f"run: {error}")]
        found = [
            Finding("duplicated", f"run: trained {trial_id} again, which was whole")
            for trial_id in sorted(set(trained) - held - sample.pending)
        ]
        named = fault.file in said or f"checkpoint of trial {Path(fault.file).stem}" in said
        if fault.kind == "checkpoint" and not named:
            found.append(Finding("wrong", "run: used a damaged checkpoint without a word"))
        after = read_study(copy)
        for reader, truth in self._repaired[fault.sample].items():
            found += _after_run(reader, truth, after[reader], fault.kind)
        return found


def _after_run(reader: str, truth: Reading, got: Reading, kind: str) -> list[Finding]:
    if got.answer is None:
        return [Finding("crashed", f"after the run, {reader} raised {got.said[:200]}")]
    assert truth.answer is not None
    found = compare_entries(f"after the run, {reader}", truth.answer, got.answer)
    # Nothing else holds what a study was earlier, and a run repeats only what it is.
    forgotten = reader in ("definitions()", "members(earlier)") and kind in EARLIER
    return [one for one in found if not (forgotten and one.kind == "lost")]


def _run_again(copy: Path, sample: Sample, file: str) -> tuple[list[str], str, str | None]:
    """Run the study on a damaged store. Where a run says to delete the file, delete it.

    Returns:
        The trials that were trained, what was said, and the last error unless it names the file.
    """
    trained: list[str] = []
    output = io.StringIO()
    console = Console(file=output, width=500)
    write = StoreWriter.write_result

    def note(self: StoreWriter, trial, outcome, curve) -> None:  # type: ignore[no-untyped-def]
        trained.append(trial.id)
        write(self, trial, outcome, curve)

    error = None
    with (
        warnings.catch_warnings(record=True) as caught,
        mock.patch.object(StoreWriter, "write_result", note),
    ):
        warnings.simplefilter("always")
        for _ in range(TRIES):
            try:
                run(copy, sample.plan, console)
            except Exception as raised:  # whatever a user would see
                output.write(str(raised))
                error = f"raised {type(raised).__name__}: {raised}"
                if file not in str(raised):
                    break
                (copy / file).unlink(missing_ok=True)
            else:
                error = None
                break
    said = "\n".join([output.getvalue(), *(str(warning.message) for warning in caught)])
    return trained, said, error


def _second_driver(copy: Path, sample: Sample, file: str) -> list[Finding]:
    """Start a second driver while the first one holds the lease, whose claim is damaged."""
    try:
        run(copy, sample.plan)
    except StudyInUseError:
        return []
    except Exception as error:  # whatever a user would see
        named = file in str(error)
        return [] if named else [Finding("crashed", f"run raised {type(error).__name__}: {error}")]
    return [Finding("duplicated", "run: a second driver was let in while the first one lives")]


def _trials_of_files(sample: Sample) -> dict[str, frozenset[str]]:
    """The trials that each file of the tables holds."""
    held = {}
    for folder in ("trials", "curves"):
        for path in (sample.folder / folder).glob("*.parquet"):
            ids = pq.read_table(path, columns=["trial_id"])["trial_id"].to_pylist()
            held[f"{folder}/{path.name}"] = frozenset(ids)
    for folder in ("checkpoints", "failures"):
        for path in (sample.folder / folder).glob("*"):
            held[f"{folder}/{path.name}"] = frozenset({path.stem})
    return held
