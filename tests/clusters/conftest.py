"""Simulated hosts with the project as a user has it before `ray up`: a wheel, studies, clusters."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.clusters.hosts import Hosts, missing

ROOT = Path(__file__).parents[2]
BASHRC = """
export RAY_DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES=100000000
export RAY_OVERRIDE_RESOURCES='{"CPU": 1}'
export AUTOSCALER_UPDATE_INTERVAL_S=1
export AUTOSCALER_HEARTBEAT_TIMEOUT_S=600
export PIP_NO_COMPILE=1 PIP_NO_WARN_CONFLICTS=1
"""
"""Small hosts, as there are several on one machine, on which tests wait less long. A host that is
slow because of that is not set up again. What else is installed there, pip need not compare.
"""


@pytest.fixture(scope="module")
def hosts(request: pytest.FixtureRequest) -> Iterator[Hosts]:
    """A laptop with the project and a token; the test starts the others.

    A test module may add its own BASHRC.
    """
    if reason := missing():
        pytest.skip(reason)
    if find_spec("aiohttp_cors") is None:
        pytest.skip("simulated hosts need ray[default], as their clusters do")
    with tempfile.TemporaryDirectory(prefix="hosts", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        hosts = Hosts(Path(folder) / "lab", BASHRC + getattr(request.module, "BASHRC", ""))
        try:
            fill_project(hosts.project)
            assert hosts.run("ray", "get-auth-token", "--generate").returncode == 0
            yield hosts
        finally:
            hosts.close()


def fill_project(project: Path) -> None:
    """What the head comments of clusters/*.yaml ask for."""
    for folder in ("clusters", "studies"):
        shutil.copytree(ROOT / folder, project / folder, ignore=shutil.ignore_patterns("results"))
    shutil.copy(Path(__file__).with_name("meeting_study.py"), project / "studies")
    with tempfile.TemporaryDirectory() as source:  # building leaves things behind
        shutil.copytree(ROOT / "superconv_ray", f"{source}/superconv_ray")
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, source)
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "wheel"]
        offline = ["--no-deps", "--no-index", "--no-build-isolation"]
        subprocess.run([*pip, *offline, "--wheel-dir", project / "dist", source], check=True)
