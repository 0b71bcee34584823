"""Ray's workers, forked from a process that has imported torch and all else but Ray.

A worker of a test lives for a few seconds, and importing takes most of them. So each process of
tests has one that imported once, and Ray's workers are forks of it. They run Ray's own program,
with the arguments, variables, folder and files that Ray gave them.

    python ready_workers.py DESCRIPTOR           # imports, then forks a worker for each request
    python ready_workers.py DEFAULT_WORKER ...   # what Ray starts in place of its setup_worker.py
"""

from __future__ import annotations

import json
import os
import socket
import sys
from typing import Any

VARIABLE = "SUPERCONV_READY_WORKERS"
"""Names the socket."""


def start(folder: str) -> None:
    """Start the process that is forked, for each Ray that this process starts from now on.

    It ends with this process. Workers that Ray starts while it imports wait for it.
    """
    import functools
    import inspect
    import subprocess

    from ray._private import services

    usual = services.start_raylet

    @functools.wraps(usual)
    def start_raylet(*given: Any, **named: Any) -> Any:
        call = inspect.signature(usual).bind(*given, **named)
        call.arguments["setup_worker_path"] = __file__
        return usual(*call.args, **call.kwargs)

    services.start_raylet = start_raylet
    path = os.path.join(folder, "ready")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(100)
        subprocess.Popen(
            [sys.executable, __file__, str(listener.fileno())],
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is not for it
        )
    os.environ[VARIABLE] = path


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
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(os.environ[VARIABLE])
        socket.send_fds(server, [len(content).to_bytes(8, "big")], [0, 1, 2])
        server.sendall(content.encode("ascii"))
        return server.recv(1) == b"1"


def serve(descriptor: int) -> dict[str, Any]:
    """Fork for each request until the process that started this one ends; a fork returns it."""
    import ctypes
    import gc
    import random
    import signal

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG; forks have none
    import numpy as np

    import superconv_ray.execution.worker  # noqa: F401 - not Ray: on import it reads the variables

    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for workers
    listener = socket.socket(fileno=descriptor)
    while True:
        client, _ = listener.accept()
        length, files, _, _ = socket.recv_fds(client, 8, 3)
        with client.makefile("rb") as stream:
            request: dict[str, Any] = json.loads(stream.read(int.from_bytes(length, "big")))
        if not os.fork():
            break
        client.sendall(b"1")
        client.close()
        for file in files:
            os.close(file)
    os.setpgid(0, 0)  # Ray kills the whole group of a worker that died
    listener.close()
    client.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for place, file in enumerate(files):
        os.dup2(file, place)
        os.close(file)
    random.seed()
    np.random.seed()  # noqa: NPY002 - each process has its own
    return request


def run(request: dict[str, Any]) -> None:
    """Run a program as if this process had been started for it."""
    import runpy

    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["variables"])
    sys.argv = request["arguments"]
    python_path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:1] = [os.path.dirname(sys.argv[0]), *filter(None, python_path)]
    runpy.run_path(sys.argv[0], run_name="__main__")


def main() -> None:
    arguments = sys.argv[1:]
    if len(arguments) == 1:
        run(serve(int(arguments[0])))
    elif not ask(arguments):
        usual = os.path.join(os.path.dirname(arguments[0]), "setup_worker.py")
        os.execv(sys.executable, [sys.executable, usual, *arguments])


if __name__ == "__main__":
    main()
