"""Compaction while a run goes on, so that a killed run leaves few parts to read."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from superconv_ray.storage.compaction import compact
from superconv_ray.storage.filesystem import Files
from superconv_ray.storage.filesystem_errors import StoreError

TRIALS_BETWEEN = 300
"""Trials that end between two compactions. Reading a part takes 1 to 3 ms."""


class Compactor:
    """Folds the parts of finished trials in a thread of the driver, after every few hundred trials.

    The thread has a low priority. What it does is safe at any time, as for `compact` at the end of
    a run: readers, workers and other drivers go on, and a kill loses nothing. Leaving the context
    waits for a compaction in progress.

    Args:
        files: The store's.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._ended = 0
        self._last: Future[None] | None = None
        self._thread = ThreadPoolExecutor(1, "compactor", initializer=_be_nice)

    def __enter__(self) -> Compactor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._thread.shutdown()

    def trial_ended(self) -> None:
        """Count a trial, and start a compaction if it is due and none is in progress."""
        self._ended += 1
        if self._ended >= TRIALS_BETWEEN and (self._last is None or self._last.done()):
            self._ended = 0
            self._last = self._thread.submit(self._compact)

    def _compact(self) -> None:
        # It is due again soon, and others report a store that stays away.
        with contextlib.suppress(StoreError):
            compact(self._files)


def _be_nice() -> None:
    """Let workers on this machine go first. On Linux a thread has a priority of its own."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
