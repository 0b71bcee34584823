"""Lets Ray start on a machine whose processors are busy with something else.

Ray 2.60 assumes that its processes get to run: its raylet aborts if the agents, which import Python
packages for seconds, have not written down their ports after 15 s, and its workers are as nice to
other programs as can be, which keeps them from importing torch in minutes. Users have an idle
machine; tests have not.

    python patient_ray.py start ...      # Ray's command line, patient
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import random
import socket
import sys
from typing import Any

SETTINGS = {
    "LOG_NAME_UPDATE_INTERVAL_S": "1",
    "RAY_LOG_MONITOR_MANY_FILES_THRESHOLD": "0",  # else it lists all log files ten times a second
    "RAY_DASHBOARD_STARTUP_TIMEOUT_S": "300",
    "RAY_agent_register_timeout_ms": "300000",
    "RAY_enable_metrics_collection": "0",
    "RAY_gcs_server_request_timeout_seconds": "300",
    "RAY_idle_worker_killing_time_threshold_ms": "600000",  # the next run need not load torch again
    "RAY_memory_monitor_refresh_ms": "0",  # it kills workers for what others take
    "RAY_raylet_start_wait_time_s": "300",
    "RAY_worker_niceness": "0",
    "RAY_worker_register_timeout_seconds": "300",
}
"""Environment variables that Ray reads."""
READY_WORKERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ready_workers.py")
"""What starts workers that are forks, in place of Ray's setup_worker.py."""


def set_up() -> None:
    """Set them for this process and those that it starts; before Ray is imported."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)


@functools.cache
def be_patient(*, dashboard: bool = False, forks: bool = True) -> None:
    """Let each Ray that this process starts wait for its agents.

    Args:
        dashboard: With what serves the dashboard and takes jobs, as ray[default] has it; without,
            as with ray[tune] alone, Ray starts faster.
        forks: Whether workers are forks of a process that has imported torch, which are not
            children of Ray's; on Linux only.
    """
    set_up()
    from ray._private import services, utils

    raylet: Any = importlib.import_module("ray._raylet")

    if not dashboard:
        utils.get_dashboard_dependency_error = lambda: ImportError("not in tests")
    start_raylet = services.start_raylet

    @functools.wraps(start_raylet)
    def start(*given: Any, **named: Any) -> Any:
        call = inspect.signature(start_raylet).bind(*given, **named)
        place = call.arguments["session_dir"], call.arguments["node_id"]
        call.arguments["runtime_env_agent_port"] = free_port()
        if forks and sys.platform == "linux":
            call.arguments["setup_worker_path"] = READY_WORKERS
        jobs = call.arguments["dashboard_agent_listen_port"] if dashboard else None
        ports = {"DASHBOARD_AGENT_LISTEN": jobs, "METRICS_AGENT": None, "METRICS_EXPORT": None}
        for service, port in ports.items():
            # -1 stands for a service that is not there
            raylet.persist_port(*place, getattr(raylet, f"{service}_PORT_NAME"), port or -1)
        return start_raylet(*call.args, **call.kwargs)

    if hasattr(raylet, "persist_port"):  # older versions have no such files
        services.start_raylet = start


def free_port(span: int = 0) -> int:
    """A port that is free, as is the one `span` above it.

    Not one of those that the system gives to whoever connects somewhere: it stays free.
    """
    while True:
        port = random.SystemRandom().randint(10_000, 20_000)
        if is_free(port) and is_free(port + span):
            return port


def is_free(port: int) -> bool:
    """Whether nothing listens on a port."""
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


if __name__ == "__main__":
    be_patient()
    from ray.scripts.scripts import main

    main()
