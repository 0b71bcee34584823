"""Ctrl-C and SIGTERM: the first saves and ends a run, a second ends it at once."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


def _in_main_thread() -> bool:
    """Return whether signals can be handled here: Python leaves them to the main thread."""
    return threading.current_thread() is threading.main_thread()


@contextlib.contextmanager
def sigterm_is_ctrl_c() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does, and restore both handlers afterwards.

    Tune replaces the handler of Ctrl-C and does not restore it; Ray ends the process on SIGTERM. A
    process that a shell starts in the background ignores Ctrl-C.
    """
    if not _in_main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    if not callable(before[signal.SIGINT]):
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # None: not set from Python, so it cannot be restored
                signal.signal(number, handler)


@contextlib.contextmanager
def deferred_ctrl_c() -> Iterator[Callable[[], bool]]:
    """Defer a first Ctrl-C to the end of the block; a second one is raised at once.

    Yields a function that returns whether Ctrl-C was pressed. Outside the main thread, where no
    signal arrives, it returns False.
    """
    handler = signal.getsignal(signal.SIGINT)
    if not _in_main_thread() or not callable(handler):
        yield lambda: False
        return
    received: list[int] = []

    def note(number: int, _: object) -> None:
        received.append(number)
        signal.signal(signal.SIGINT, handler)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(received)
    finally:
        signal.signal(signal.SIGINT, handler)
    if received:
        handler(signal.SIGINT, None)
