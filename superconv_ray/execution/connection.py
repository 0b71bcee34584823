"""Connects to a Ray cluster: the one that is there, or one of this process's own."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator

import ray
from ray._private import ray_constants
from ray._private.utils import read_ray_address
from ray.exceptions import AuthenticationError

from superconv_ray.execution import token_file

ATTEMPTS_VARIABLE = "RAY_gcs_server_port_wait_time_s"
"""Ray's setting for how often it tries to reach a head, despite its name; 20 times by default."""
UV_VARIABLE = "RAY_ENABLE_UV_RUN_RUNTIME_ENV"
"""Ray's setting: whether `uv run` starts the workers of a driver that it started itself."""

LOOPBACK_VARIABLE = ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR
"""Ray's setting, despite its name of other systems: whether it is for more than this machine."""

TOO_SLOW = "timed out during startup"
"""What Ray says, in a plain Exception, if its own processes take too long to start."""

ANSWER_SECONDS = 5.0
"""Time in which a head that is well accepts a connection."""
HEAD_SECONDS = 5.0
"""Time between two checks of the head; the user is warned after two in a row have failed."""


@contextlib.contextmanager
def connected(address: str | None, say: Callable[[str], None] = lambda _: None) -> Iterator[bool]:
    """Use the Ray that is there, or start one and stop it afterwards.

    Yields whether its size is fixed: no autoscaler adds nodes to a Ray that was started here.

    Args:
        address: Address of a running cluster. None: the one of this process, else a new local one.
        say: Called with a warning if the head node stops responding.

    Raises:
        ConnectionError: No cluster answers at the address, or it refuses this process.
        ValueError: The address is one of Ray Client, through which no study runs.
    """
    if ray.is_initialized():
        yield False
        return
    if address:
        _check_reachable(address)
    context = _connect(address or _local_if_alone())
    logging.getLogger("ray").setLevel(logging.WARNING)
    try:
        with _head_watched(context.address_info["gcs_address"], say):
            # A session is named after the process that started it.
            yield context.address_info["session_dir"].endswith(f"_{os.getpid()}")
    finally:
        # Ray ends this process at once, with code 1, if a thread of it collects garbage with
        # references to Ray's objects during the shutdown.
        gc.collect()
        ray.shutdown()


@contextlib.contextmanager
def _head_watched(address: str, say: Callable[[str], None]) -> Iterator[None]:
    """Warn if the head node stops responding: Ray then ends this process without any advice."""
    over = threading.Event()

    def watch() -> None:
        failed = 0
        while not over.wait(HEAD_SECONDS):
            try:
                _knock(address, ANSWER_SECONDS)
                failed = 0
            except OSError as error:
                failed += 1
                if failed == 2:
                    say(
                        f"the head of the Ray cluster at {address} does not respond ({error}); if "
                        "it does not come back, Ray ends this process within a minute or so. "
                        "Finished trials are in the store: restart the cluster and repeat the "
                        "command"
                    )

    threading.Thread(target=watch, name="head", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _knock(address: str, seconds: float) -> None:
    """Check that something listens at host:port.

    Raises:
        OSError, ValueError, OverflowError: Nothing does, or it is no address.
    """
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), timeout=seconds).close()


def _local_if_alone() -> str | None:
    """Return "local" if no Ray runs on this machine, else None, for Ray to find it.

    A cluster that was killed leaves its note behind, and Ray would try for minutes to connect.
    """
    if os.environ.get("RAY_ADDRESS"):
        return None
    noted = read_ray_address()
    if not noted:
        return "local"
    try:
        _knock(noted, ANSWER_SECONDS)
    except (OSError, ValueError):
        return "local"
    return None


def _check_reachable(address: str) -> None:
    """Check host:port at once: Ray itself tries a wrong one for more than three minutes."""
    if address.startswith("ray://"):
        raise ValueError(
            f"address must be that of a cluster this machine is part of, such as HOST:6379; got "
            f"{address!r}. From other machines, start the study with `ray submit` or "
            "`ray job submit`"
        )
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        return  # "auto", "local": for Ray to judge
    try:
        _knock(address, 10.0)
    except (OSError, OverflowError) as error:
        raise ConnectionError(
            f"no Ray cluster at address {address!r}: {error}; check with `ray status` on its head "
            "that it runs, and on which port (6379 by default)"
        ) from None


def _connect(address: str | None) -> ray.runtime_context.RuntimeContext:
    """Call `ray.init`, and explain its errors, which are nested and long and give no advice."""
    joins = address is not None and address != "local"
    with contextlib.ExitStack() as restored:
        if joins and ATTEMPTS_VARIABLE not in os.environ:
            # Something listens there. A head that refuses a token does so 20 times, and what is no
            # head takes 40 s each time. (When Ray starts a cluster, the variable has other uses.)
            os.environ[ATTEMPTS_VARIABLE] = "1"
            restored.callback(os.environ.pop, ATTEMPTS_VARIABLE)
        if not joins and UV_VARIABLE not in os.environ:
            # Under `uv run`, Ray would let `uv run` start every worker, which resolves the project
            # again each time. Workers on this machine can run in this process's environment.
            setting = UV_VARIABLE, getattr(ray_constants, UV_VARIABLE, False)
            setattr(ray_constants, UV_VARIABLE, False)
            restored.callback(setattr, ray_constants, *setting)
        if address == "local":
            token_file.hide()
            restored.enter_context(_on_loopback())
        try:
            return ray.init(
                address=address,
                include_dashboard=None if joins else False,
                log_to_driver=False,
                logging_level="error",  # not Ray's hints for operators, such as on tokens
            )
        except Exception as error:
            known = isinstance(error, (ConnectionError, RuntimeError, AuthenticationError))
            if not known and TOO_SLOW not in str(error):
                raise
            ray.shutdown()
            raise ConnectionError(_explained(address, error)) from error


@contextlib.contextmanager
def _on_loopback() -> Iterator[None]:
    """Let a Ray that starts here listen on 127.0.0.1 only, as Ray does by itself on macOS.

    On Linux it would listen on every address of this machine.
    """
    if LOOPBACK_VARIABLE in os.environ:
        yield
        return
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    os.environ[LOOPBACK_VARIABLE] = "0"  # for the processes of that Ray
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
        del os.environ[LOOPBACK_VARIABLE]


def _explained(address: str | None, error: BaseException) -> str:
    """Return one message: which cluster, what is wrong, what to do."""
    where = f"Ray cluster at {address!r}" if address else "Ray cluster of this machine"
    said = str(error) if error.__cause__ is None else f"{error}\n{error.__cause__}"
    if isinstance(error, AuthenticationError) or "InvalidAuthToken" in said:
        return f"no access to the {where}: {_token_problem(said)}"
    if TOO_SLOW in said:
        return (
            "Ray did not start in time, most likely because other programs keep this machine "
            "busy: repeat the command when they have ended, or add --local, which trains in "
            "one process without Ray"
        )
    versions = re.findall(r"Ray: (\S+)\s+Python: (\S+)", said)
    if len(versions) == 2:
        theirs, ours = (f"Ray {ray_} and Python {python}" for ray_, python in versions)
        return (
            f"the {where} runs {theirs}, this process {ours}: both must be equal on all nodes and "
            f"here; install ray=={versions[0][0]} with Python {versions[0][1]} here, or restart "
            "the cluster with these versions"
        )
    if "No node info found" in said:
        return (
            f"this machine is not part of the {where}: start the study on its head, with "
            "`ray submit CLUSTER.yaml STUDY.py run ...` or `ray job submit --working-dir . -- "
            "python STUDY.py run ...`"
        )
    reason = [line for line in said.splitlines() if line.strip()][-1].strip()
    return (
        f"no connection to the {where}: {reason}; check with `ray status` on its head that it "
        "works, and that the port is the head's own (6379 by default; not the dashboard's or Ray "
        "Client's)"
    )


def _token_problem(said: str) -> str:
    """Explain why a token was refused, as far as this process can know."""
    get = (
        "`ray get-auth-token` prints the cluster's where `ray up` was called and on each node; put "
        "it into ~/.ray/auth_token here, or into RAY_AUTH_TOKEN"
    )
    if os.environ.get("RAY_AUTH_MODE", "").lower() != "token":
        return f"it asks for a token; set RAY_AUTH_MODE=token, and provide the token here: {get}"
    if "InvalidAuthToken" in said:
        source = next(
            (name for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH") if os.environ.get(name)),
            "~/.ray/auth_token",
        )
        return f"the token of {source} is not the cluster's; {get}"
    return f"RAY_AUTH_MODE is token, but there is no token here; {get}"
