"""Clusters that cannot be used, each a real Ray head: one message that says what to do."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray._private import ray_constants
from ray._private.runtime_env import uv_runtime_env_hook
from ray._private.worker import _maybe_modify_runtime_env

from superconv_ray.execution import connection
from superconv_ray.execution.connection import connected

ROOT = Path(__file__).parents[2]
TOKEN, OTHER_TOKEN = "a" * 64, "b" * 64

# A head of a version that does not exist, which serves only those who have its token.
HEAD = """
import sys
from tests.patient_ray import be_patient
be_patient()
import ray
ray.__version__ = "2.1.0"
try:
    ray.init(num_cpus=0, include_dashboard=False, log_to_driver=False, logging_level="error",
             object_store_memory=80 * 2**20)
except RuntimeError:  # it does not like its own version; the head has started by then
    pass
print(ray._private.worker._global_node.gcs_address, flush=True)
sys.stdin.read()
"""

CLIENT = """
import sys
from superconv_ray.execution.connection import connected
try:
    with connected(sys.argv[1]):
        pass
except ConnectionError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def head() -> Iterator[str]:
    """Address of that head."""
    with tempfile.TemporaryDirectory(prefix="rc", dir="/tmp") as folder:
        process = subprocess.Popen(
            [sys.executable, "-c", HEAD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**without_auth(), **token(TOKEN), "RAY_TMPDIR": folder},
            cwd=ROOT,
        )
        assert process.stdout
        with process:
            yield process.stdout.readline().strip()
            process.communicate()


def without_auth() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("RAY_AUTH")}


def token(value: str) -> dict[str, str]:
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": value}


REFUSED = "no access to the Ray cluster at '{head}': "
GET = "`ray get-auth-token` prints the cluster's where `ray up` was called and on each node"
VERSIONS = (
    "the Ray cluster at '{head}' runs Ray 2.1.0 and Python {python}, this process Ray {ray} and "
    "Python {python}: both must be equal on all nodes and here; install ray==2.1.0 with Python "
)
CLIENTS: dict[str, tuple[Mapping[str, str], str]] = {
    "no mode": (
        {},
        REFUSED
        + f"it asks for a token; set RAY_AUTH_MODE=token, and provide the token here: {GET}; "
        "put it into ~/.ray/auth_token here, or into RAY_AUTH_TOKEN",
    ),
    "no token": (
        {"RAY_AUTH_MODE": "token"},
        REFUSED + f"RAY_AUTH_MODE is token, but there is no token here; {GET}",
    ),
    "another token": (
        token(OTHER_TOKEN),
        REFUSED + f"the token of RAY_AUTH_TOKEN is not the cluster's; {GET}",
    ),
    "another version": (
        token(TOKEN),
        VERSIONS,
    ),
}


@pytest.fixture(scope="module")
def answers(head: str, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What each of the clients is told; all of them ask at once."""
    home = str(tmp_path_factory.mktemp("home"))
    started = {
        client: subprocess.Popen(
            [sys.executable, "-c", CLIENT, head],
            stdout=subprocess.PIPE,
            text=True,
            env={**without_auth(), "HOME": home, **environment},
        )
        for client, (environment, _) in CLIENTS.items()
    }
    return {client: process.communicate()[0] for client, process in started.items()}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_refused_client_gets_advice(client: str, head: str, answers: Mapping[str, str]) -> None:
    import ray

    python = ".".join(map(str, sys.version_info[:3]))
    expected = CLIENTS[client][1].format(head=head, ray=ray.__version__, python=python)
    assert answers[client].startswith(expected)


def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that is not connected yet; the tests' own may be."""
    monkeypatch.setattr("ray.is_initialized", lambda: False)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "[::1]:1", "localhost:99999"])
def test_an_address_without_a_listener_is_an_error_at_once(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_ray(monkeypatch)
    expected = re.escape(f"no Ray cluster at address {address!r}: ") + ".*; check with `ray status`"
    with pytest.raises(ConnectionError, match=expected), connected(address):
        pass


def test_an_unknown_host_is_an_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    without_ray(monkeypatch)
    expected = "no Ray cluster at address 'head.invalid:6379': "
    with pytest.raises(ConnectionError, match=expected), connected("head.invalid:6379"):
        pass


def test_ray_client_is_refused_with_the_commands_to_use_instead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_ray(monkeypatch)
    expected = "From other machines, start the study with `ray submit` or `ray job submit`"
    with pytest.raises(ValueError, match=expected), connected("ray://127.0.0.1:10001"):
        pass


def test_the_note_of_a_cluster_that_was_killed_does_not_keep_a_study_waiting() -> None:
    """Ray would try for minutes to connect to where nobody listens any more."""
    look = "from superconv_ray.execution import connection; print(connection._local_if_alone())"
    with tempfile.TemporaryDirectory() as folder:  # of a short name, as sockets come into it
        note = Path(folder) / "ray" / "ray_current_cluster"
        note.parent.mkdir()
        note.write_text("127.0.0.1:1")
        environment = {**os.environ, "RAY_TMPDIR": folder, "RAY_AUTH_MODE": "disabled"}
        environment.pop("RAY_ADDRESS", None)
        command = [sys.executable, "-c", look]
        own = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=600, check=False
        )
    assert own.stdout == "local\n", own.stderr


# A Ray as a study on one machine starts it, with a worker: where it and all that it started listen,
# as /proc has addresses, and who may read its token.
LOCAL = """
import os, stat, sys
from pathlib import Path
import ray
from superconv_ray.execution.connection import connected
from tests import patient_ray

patient_ray.be_patient(dashboard=True, forks=False)  # they must be of this family

def family(pid):
    yield pid
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in (thread / "children").read_text().split():
            yield from family(child)

def sockets(pid):
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            yield os.readlink(descriptor).removeprefix("socket:[").removesuffix("]")
        except OSError:
            pass

with connected(None):
    ray.get(ray.remote(lambda: 0).remote())
    own = {socket for pid in family(os.getpid()) for socket in sockets(pid)}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, address, _, state, *_, inode = line.split()[:10]
            if state == "0A" and inode in own:
                print(address.rpartition(":")[0])
print(oct(stat.S_IMODE((Path.home() / ".ray/auth_token").stat().st_mode)))
"""
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F"}


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's /proc")
def test_a_local_ray_listens_on_loopback_only_and_hides_its_token(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="rc", dir="/tmp") as folder:
        environment = {**without_auth(), "HOME": str(tmp_path), "RAY_TMPDIR": folder}
        environment.pop("RAY_ADDRESS", None)
        command = [sys.executable, "-c", LOCAL]
        own = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
    assert own.returncode == 0, own.stderr
    *addresses, mode = own.stdout.split()
    assert len(addresses) > 5
    assert set(addresses) <= LOOPBACK
    assert mode == "0o600"


def test_a_head_that_stops_responding_is_reported_once_with_advice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ray gives no sign for a minute, and then ends the process."""
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.05)
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 300.0)
    knock, knocks = connection._knock, threading.Semaphore(0)

    def counted(address: str, seconds: float) -> None:
        knocks.release()
        knock(address, seconds)

    monkeypatch.setattr(connection, "_knock", counted)
    said: list[str] = []
    head = socket.create_server(("127.0.0.1", 0), backlog=100)
    address = f"127.0.0.1:{head.getsockname()[1]}"
    with connection._head_watched(address, said.append):
        for _ in range(5):
            knocks.acquire()
        assert said == []
        head.close()
        for _ in range(5):  # the first may have been under way
            knocks.acquire()
    (line,) = said
    assert line.startswith(f"the head of the Ray cluster at {address} does not respond")
    assert line.endswith("restart the cluster and repeat the command")


def test_no_garbage_is_left_when_ray_shuts_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray ends the process if another thread collects a reference to an object meanwhile."""

    class Reference:
        def __init__(self) -> None:
            self.cycle = self

    garbage: list[weakref.ref[Reference]] = []
    left: list[Reference | None] = []
    context = SimpleNamespace(address_info={"gcs_address": "127.0.0.1:1", "session_dir": "x"})
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr(connection, "_connect", lambda _: context)
    monkeypatch.setattr(connection, "_head_watched", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr("ray.shutdown", lambda: left.extend(ref() for ref in garbage))
    with connected("local"):
        garbage.append(weakref.ref(Reference()))
    assert left == [None]


def test_a_ray_that_starts_too_slowly_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its error, a plain Exception, advises to look at Ray's own logs."""

    def init(**_: object) -> None:
        raise Exception("The current node timed out during startup. This could happen because")

    ended: list[bool] = []
    monkeypatch.setattr("ray.init", init)
    monkeypatch.setattr("ray.shutdown", lambda: ended.append(True))  # of other tests' Ray as well
    with pytest.raises(ConnectionError, match=r"did not start in time.* or add --local"):
        connection._connect("local")
    assert ended == [True]


@pytest.mark.parametrize(
    ("address", "variable", "replicated"),
    [("local", None, False), ("10.0.0.1:6379", None, True), ("local", "1", True)],
)
def test_under_uv_run_workers_of_an_own_ray_run_in_this_environment(
    address: str, variable: str | None, replicated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray would start each with `uv run`, which resolves the project again: see its hook."""

    def command_line() -> list[str]:
        return ["uv", "run", "study.py", "run"]

    def init(**_: object) -> object:
        return _maybe_modify_runtime_env(None, _skip_env_hook=True)

    monkeypatch.setattr(uv_runtime_env_hook, "_get_uv_run_cmdline", command_line)
    monkeypatch.setattr("ray.init", init)
    if variable:
        monkeypatch.setenv(connection.UV_VARIABLE, variable)
    environment = connection._connect(address) or {}
    assert ("py_executable" in environment) == replicated
    assert ray_constants.RAY_ENABLE_UV_RUN_RUNTIME_ENV  # as it was
