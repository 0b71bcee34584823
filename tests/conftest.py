"""What all tests share: quiet hypothesis, and one small Ray for the whole session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# One thread, like a trial's single CPU: results are compared bit for bit with Ray workers'.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("suite", deadline=None, max_examples=50)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def ray_session() -> Iterator[Any]:
    """A Ray of two CPUs and a small object store, started once; needs no token on loopback."""
    os.environ["RAY_AUTH_MODE"] = "disabled"
    import ray

    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
        object_store_memory=100 * 2**20,
    )
    yield ray
    ray.shutdown()


@pytest.fixture
def store_uri(tmp_path: Path) -> str:
    return str(tmp_path / "store")
