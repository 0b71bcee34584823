"""What SIGTERM does while a study runs, in this process."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from superconv_ray.execution.interruption import deferred_ctrl_c, sigterm_is_ctrl_c


@pytest.fixture(params=[signal.default_int_handler, signal.SIG_IGN], ids=["terminal", "background"])
def handlers(request: pytest.FixtureRequest) -> Iterator[tuple[Any, Any]]:
    """What SIGINT and SIGTERM do; a process in the background of a script ignores the first."""
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, request.param)
    yield request.param, signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGINT, before)


def now() -> tuple[Any, Any]:
    return signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)


def test_sigterm_interrupts_and_afterwards_all_is_as_before(handlers: tuple[Any, Any]) -> None:
    with pytest.raises(KeyboardInterrupt), sigterm_is_ctrl_c():
        signal.raise_signal(signal.SIGTERM)
    assert now() == handlers


@pytest.mark.usefixtures("handlers")
def test_a_first_sigterm_waits_for_the_end_of_the_step_and_a_second_one_does_not() -> None:
    reached: list[bool | str] = []

    def work() -> None:
        with sigterm_is_ctrl_c(), deferred_ctrl_c() as interrupted:
            signal.raise_signal(signal.SIGTERM)
            reached.append(interrupted())
            signal.raise_signal(signal.SIGTERM)
            reached.append("a third step")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == [True]


def test_in_another_thread_signals_are_left_alone() -> None:
    before, inside = now(), []

    def look() -> None:
        with sigterm_is_ctrl_c():
            inside.append(now())

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert inside == [before]
