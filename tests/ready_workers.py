"""Ray's workers, forked from a process that has imported torch and all else but Ray.

A worker of a test lives for a few seconds, and importing takes most of them. So the first one has a
process started that imports once, and all are forks of it. They run Ray's own program, with the
arguments, variables, folder and files that Ray gave them. `VARIABLE` names the process with which
the one that is forked ends; without it, each node has its own, which ends with its raylet.

    python ready_workers.py DEFAULT_WORKER ...   # what Ray starts in place of its setup_worker.py
    python ready_workers.py DESCRIPTOR OWNER     # imports, then forks a worker for each request
"""

from __future__ import annotations

import gc
import json
import os
import random
import runpy
import select
import signal
import socket
import subprocess
import sys
from typing import Any

VARIABLE = "SUPERCONV_READY_WORKERS_OF"
STREAMS = (0, 1, 2)
"""Standard input, output and errors."""


def ask(arguments: list[str]) -> bool:
    """Have a worker forked; False if it must start as usual."""
    context, language = "--serialized-runtime-env-context=", "--language="
    environment: dict[str, Any] = {"py_executable": sys.executable}
    for argument in arguments:
        if argument.startswith(context):
            environment.update(json.loads(argument.removeprefix(context)))
    variables = {**os.environ, **environment.pop("env_vars", {})}
    if environment.pop("py_executable") != sys.executable or any(environment.values()):
        return False
    kept = [argument for argument in arguments if not argument.startswith((context, language))]
    content = json.dumps({"arguments": kept, "variables": variables, "folder": os.getcwd()})
    owner = os.environ.get(VARIABLE) or os.environ["RAY_RAYLET_PID"]
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.connect(started(owner))
        except ConnectionRefusedError:  # another worker is about to listen
            return False
        socket.send_fds(server, [b"0"], STREAMS)
        server.sendall(content.encode())
        server.shutdown(socket.SHUT_WR)
        return server.recv(1) == b"1"


def started(owner: str) -> str:
    """Start the process that is forked, if nobody has; where it listens.

    Workers that Ray starts while it imports wait for it.
    """
    address = f"\0superconv_ray workers of {owner}"  # of no file, and seen in this network only
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(address)
        except OSError:
            return address
        listener.listen(100)
        subprocess.Popen(
            [sys.executable, __file__, str(listener.fileno()), owner],
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is not for it
        )
    return address


def serve(descriptor: int, owner: int) -> tuple[dict[str, Any], list[int]]:
    """Fork for each request until its owner ends; a fork returns it.

    Returns:
        The request, and the files that are to be the streams.
    """
    import superconv_ray.execution.worker  # noqa: F401 - not Ray: on import it reads the variables

    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for workers
    end = os.pidfd_open(owner)
    with socket.socket(fileno=descriptor) as listener:
        while end not in select.select([listener.fileno(), end], [], [])[0]:
            client, _ = listener.accept()
            with client, client.makefile("rb") as stream:
                _, files, _, _ = socket.recv_fds(client, 1, len(STREAMS))
                request = json.load(stream)
                if not os.fork():
                    return request, files
                client.sendall(b"1")
            for file in files:
                os.close(file)
    sys.exit()


def become(request: dict[str, Any], files: list[int]) -> None:
    """Run a program as if this process had been started for it."""
    import numpy as np

    os.setpgid(0, 0)  # Ray kills the whole group of a worker that died
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for stream, file in zip(STREAMS, files, strict=True):
        os.dup2(file, stream)
        os.close(file)
    random.seed()
    np.random.seed()  # noqa: NPY002 - each process has its own
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["variables"])
    sys.argv = request["arguments"]
    python_path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:1] = [os.path.dirname(sys.argv[0]), *filter(None, python_path)]
    runpy.run_path(sys.argv[0], run_name="__main__")


def main() -> None:
    arguments = sys.argv[1:]
    if len(arguments) == 2:
        become(*serve(int(arguments[0]), int(arguments[1])))
    elif not ask(arguments):
        usual = os.path.join(os.path.dirname(arguments[0]), "setup_worker.py")
        os.execv(sys.executable, [sys.executable, usual, *arguments])


if __name__ == "__main__":
    main()
