"""Ctrl-C, and the SIGTERM of schedulers and job stops: the first ends a run in good order.

A second one ends it at once.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


def _in_main_thread() -> bool:
    """Python gives signals to the main thread, and lets it alone choose what they do."""
    return threading.current_thread() is threading.main_thread()


@contextlib.contextmanager
def sigterm_is_ctrl_c() -> Iterator[None]:
    """Inside, SIGTERM does whatever Ctrl-C does; afterwards both do what they did before.

    Tune takes Ctrl-C for itself and keeps it; Ray takes SIGTERM and ends the process. A shell that
    starts a process in the background lets it ignore Ctrl-C.
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
            if handler is not None:  # None: not set from Python, and so not to be set back
                signal.signal(number, handler)


@contextlib.contextmanager
def deferred_ctrl_c() -> Iterator[Callable[[], bool]]:
    """Inside, a first Ctrl-C only makes the given function true, and is raised at the end.

    A second one is raised at once. In other threads than the main one no signal arrives anyway.
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
