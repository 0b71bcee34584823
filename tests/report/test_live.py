from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from superconv_ray.report import live

ROOT = Path(__file__).parents[2]
Served = tuple[ThreadingHTTPServer, list[str]]


@pytest.fixture
def served() -> Iterator[Served]:
    """A server of a page that says its version, and the versions to come."""
    versions = ["1"]

    def version() -> str:
        if versions[-1] == "lost":
            raise OSError("store out of reach")
        return versions[-1]

    def render(file: str, shown: str) -> str:
        return {"": f"<p>version {shown}, größer</p>", "report-a.html": "<p>a</p>"}[file]

    with live.server(render, version) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server, versions
        server.shutdown()
        thread.join()


def page(_: str, version: str) -> str:
    return version


def get(served: Served, path: str, host: str | None = None) -> tuple[int, str]:
    port = served[0].server_port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request("GET", path, headers={"Host": host or f"127.0.0.1:{port}"})
    answer = connection.getresponse()
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.status, answer.read().decode()


def test_a_page_is_rendered_with_its_version(served: Served) -> None:
    assert get(served, "/") == (200, "<p>version 1, größer</p>")
    served[1].append("2")
    assert get(served, "/version") == (200, "2")
    assert get(served, "/") == (200, "<p>version 2, größer</p>")


def test_the_server_survives_a_store_that_cannot_be_read(served: Served) -> None:
    served[1].append("lost")
    assert get(served, "/version") == (500, "OSError: store out of reach")
    served[1].append("2")
    assert get(served, "/version") == (200, "2")


def test_the_server_listens_on_this_machine_only(served: Served) -> None:
    assert served[0].server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("host", ["attacker.example", "attacker.example:{port}", "", "127.0.0.1:1"])
def test_a_foreign_host_name_is_refused(served: Served, host: str) -> None:
    status, text = get(served, "/", host.format(port=served[0].server_port) or " ")
    assert (status, text) == (403, "this page is served as 127.0.0.1 or localhost only")


def test_localhost_is_this_machine(served: Served) -> None:
    assert get(served, "/", f"localhost:{served[0].server_port}")[0] == 200


def test_each_page_has_its_own_address(served: Served) -> None:
    assert get(served, "/report-a.html") == (200, "<p>a</p>")


@pytest.mark.parametrize("path", ["/../etc/passwd", "/favicon.ico", "/version/"])
def test_other_paths_are_not_found(served: Served, path: str) -> None:
    assert get(served, path)[0] == 404


def test_the_error_on_a_taken_port_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"^port {port} .* is taken .* choose another .* 0 for"):
            live.serve(page, str, port)


@pytest.mark.parametrize("port", [-1, 65536])
def test_an_impossible_port_is_an_error(port: int) -> None:
    with pytest.raises(ValueError, match=f"port must be between 0 and 65535, .* got {port}"):
        live.serve(page, str, port)


FOLLOW = """
from superconv_ray.report import live
live.serve(lambda file, version: version, str, on_ready=lambda address: print(address, flush=True))
print("ended")
"""


def test_ctrl_c_stops_the_server_cleanly() -> None:
    command = [sys.executable, "-c", FOLLOW]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        said, complained = process.communicate(timeout=600)
    assert (process.returncode, said, complained) == (0, "ended\n", "")


def test_pages_are_rendered_one_at_a_time() -> None:
    together, most = 0, 0

    def render(_: str, __: str) -> str:
        nonlocal together, most
        together += 1
        most = max(most, together)
        threading.Event().wait(0.02)
        together -= 1
        return ""

    with live.server(render, str) as server:
        following = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        following.start()
        asking: list[threading.Thread] = [
            threading.Thread(target=get, args=((server, []), "/")) for _ in range(4)
        ]
        run(asking, threading.Thread.start)
        run(asking, threading.Thread.join)
        server.shutdown()
        following.join()
    assert most == 1


def run(threads: list[threading.Thread], what: Callable[[threading.Thread], None]) -> None:
    for thread in threads:
        what(thread)
