"""A connection to a Ray cluster: the one that is there, or one of this process's own."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Iterator

import ray


@contextlib.contextmanager
def connected(address: str | None) -> Iterator[bool]:
    """Use the Ray that is there; one that is started here is stopped here.

    Yields whether its size is fixed: no autoscaler adds nodes to one that was started here.

    Raises:
        ConnectionError: No cluster at the address.
    """
    if ray.is_initialized():
        yield False
        return
    if address:
        _check_reachable(address)
    context = ray.init(
        address=address,
        include_dashboard=None if address else False,
        log_to_driver=False,
        logging_level="error",  # Ray's advice on start, such as on tokens, is for its operators
    )
    logging.getLogger("ray").setLevel(logging.WARNING)
    try:
        # A session is named after the process that started it.
        yield context.address_info["session_dir"].endswith(f"_{os.getpid()}")
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Ray itself would try a wrong host:port for more than three minutes."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        return  # "auto", "local", "ray://...": for Ray to judge
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10.0).close()
    except (OSError, OverflowError) as error:
        raise ConnectionError(f"no Ray cluster at address {address!r}: {error}") from None
