"""Runs of a study in processes of their own that are killed, or stopped, before a given operation.

Operations are those that change a store: a file is begun, written, renamed or deleted, or a folder
is made. Between two of them a store does not change, so that the operations that read it add no
point at which to kill.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from pyarrow import fs

from benchmarks.fault_injection.stores import plan, run
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.execution.worker import Worker
from superconv_ray.storage import filesystem, lease
from superconv_ray.storage.opening import open_filesystem
from superconv_ray.storage.writing import StoreWriter

LEASE_SECONDS = 1.0
"""Expiry of a driver's lease, so that waiting for it takes no minute."""
PATIENCE = 120.0
"""Seconds after which a driver that neither ends nor stops is given up."""
_BETWEEN_CHECKPOINTS = 1e-9
"""Seconds: a checkpoint is written after every step."""


class WatchedFilesystem(fs.LocalFileSystem):  # type: ignore[misc]
    """The local file system, which announces every operation that changes it.

    Args:
        begin: Called before each operation.
        renamed: Called with the new path of each renamed file.
    """

    def __init__(self, begin: Callable[[], None], renamed: Callable[[str], None]) -> None:
        super().__init__()
        self._begin = begin
        self._renamed = renamed

    def create_dir(self, path: str, *, recursive: bool = True) -> None:
        """Make a folder; if it exists this changes nothing, and does not count."""
        if not os.path.isdir(path):
            self._begin()
        super().create_dir(path, recursive=recursive)

    def open_output_stream(self, path: str, *args: Any, **options: Any) -> Any:
        """Begin a file."""
        self._begin()
        return _WatchedStream(self._begin, super().open_output_stream(path, *args, **options))

    def move(self, source: str, target: str) -> None:
        """Rename a file."""
        self._begin()
        super().move(source, target)
        self._renamed(target)

    def delete_file(self, path: str) -> None:
        """Delete a file."""
        self._begin()
        super().delete_file(path)

    def delete_dir(self, path: str) -> None:
        """Delete a folder."""
        self._begin()
        super().delete_dir(path)


class _WatchedStream:
    """A file that is half written when the operation on it is due."""

    def __init__(self, begin: Callable[[], None], stream: Any) -> None:
        self._begin = begin
        self._stream = stream

    def __enter__(self) -> _WatchedStream:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def write(self, content: Any) -> None:
        """Write half of the content, and after the announcement the other half."""
        content = memoryview(content)
        self._stream.write(content[: len(content) // 2])
        self._stream.flush()
        self._begin()
        self._stream.write(content[len(content) // 2 :])


@dataclass(frozen=True)
class Log:
    """What a driver did, in order: ("began", id), ("trained", id), ("kept", id), ..."""

    events: tuple[tuple[str, str], ...]

    def of(self, kind: str) -> list[str]:
        """What the events of a kind are about."""
        return [about for event, about in self.events if event == kind]

    def after(self, kind: str) -> Log:
        """The events after the first one of a kind."""
        kinds = [event for event, _ in self.events]
        return Log(self.events[kinds.index(kind) + 1 :] if kind in kinds else ())


class Driver:
    """A run of the study on a store, in a process of its own.

    Args:
        store: The store.
        log: File for what the driver does.
        seeds: Number of seeds of the study.
        at: Number of the operation before which a signal is sent; None: never.
        number: The signal: SIGKILL or SIGSTOP.
    """

    def __init__(
        self,
        store: Path,
        log: Path,
        *,
        seeds: int = 1,
        at: int | None = None,
        number: int = signal.SIGKILL,
    ) -> None:
        self._log = log
        log.unlink(missing_ok=True)
        self._process = _server().Process(target=_drive, args=(store, log, seeds, at, number))
        self._process.start()

    def wait(self) -> Log:
        """Wait until it ends, and return what it did."""
        self._process.join(PATIENCE)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
            return Log((*self.log().events, ("hung", "the driver did not end")))
        return self.log()

    def wait_until_stopped(self) -> bool:
        """Wait until it is stopped, or ends. Return whether it is stopped."""
        until = time.monotonic() + PATIENCE
        stat = Path(f"/proc/{self._process.pid}/stat")
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            while self._process.is_alive() and time.monotonic() < until:
                if stat.read_text().rpartition(")")[2].split()[0] == "T":
                    return True
                time.sleep(0.01)
        return False

    def wake(self) -> None:
        """Let a stopped driver go on."""
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def log(self) -> Log:
        """What it has done so far."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return Log(tuple((kind, about) for kind, _, about in map(_parted, lines)))


def _parted(line: str) -> tuple[str, str, str]:
    return line.partition(" ")


def _server() -> Any:
    """Processes forked from one that has imported everything and runs no threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _drive(store: Path, log: Path, seeds: int, at: int | None, number: int) -> None:
    torch.set_num_threads(1)
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(kind: str, about: object) -> None:
        os.write(file, f"{kind} {about}\n".encode())

    with _watched(note, at, number):
        try:
            run(store, plan(seeds, "one_cycle"), checkpoint_seconds=_BETWEEN_CHECKPOINTS)
        except OSError as error:
            note("refused", f"{type(error).__name__}: {error}".replace("\n", " "))
        except BaseException:
            note("crashed", traceback.format_exc().strip().replace("\n", " | "))
        else:
            note("finished", "")


@contextmanager
def _watched(note: Callable[[str, object], None], at: int | None, number: int) -> Iterator[None]:
    """Let the store of this process be watched."""
    opened, start, write = open_filesystem, Worker.start, StoreWriter.write_result

    numbers = itertools.count(1)  # of all threads, and of every time that the store is opened

    def begin() -> None:
        count = next(numbers)
        if at is None:
            note("operation", count)
        elif count == at:
            note("stopped", count)
            os.kill(os.getpid(), number)

    def renamed(target: str) -> None:
        path = Path(target)
        if path.parent.name == "trials" and not path.name.startswith("compact-"):
            note("kept", path.stem)

    def start_trial(self: Worker, trial: CompleteTrial) -> None:
        note("began", trial.id)
        start(self, trial)

    def write_result(self: StoreWriter, trial: Any, *args: Any, **options: Any) -> None:
        note("trained", trial.id)
        write(self, trial, *args, **options)

    with (
        mock.patch.object(
            filesystem,
            "open_filesystem",
            lambda uri: (WatchedFilesystem(begin, renamed), opened(uri)[1]),
        ),
        mock.patch.object(Worker, "start", start_trial),
        mock.patch.object(StoreWriter, "write_result", write_result),
        mock.patch.object(lease, "EXPIRY_SECONDS", LEASE_SECONDS),
        mock.patch.object(lease, "RENEWAL_SECONDS", LEASE_SECONDS / 5),
    ):
        yield
