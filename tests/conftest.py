"""What all tests share: quiet hypothesis, and one small Ray for the whole session."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, settings

from tests import patient_ray, ready_workers

# One thread, like a trial's single CPU: results are compared bit for bit with Ray workers'.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A suite that a script starts in the background inherits an ignored SIGINT, and so would everything
# it starts; the tests of Ctrl-C need the default.
signal.signal(signal.SIGINT, signal.default_int_handler)

patient_ray.set_up()

# On a busy machine examples take long for reasons that are not theirs.
settings.register_profile(
    "suite", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")


LONGEST = (
    "local_cluster",
    "runner",
    "cluster",
    "aws_cluster",
    "doctor",
    "s3",
    "session",
    "disks",
)
"""Files of tests that take longest: begun first, lest one process train on alone at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    places = {f"test_{name}": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@pytest.fixture(scope="session")
def own_ray() -> Any:
    """Ray, for whoever starts it in this process: patient, and with workers that start at once."""
    patient_ray.be_patient()
    import ray

    os.environ[ready_workers.VARIABLE] = str(os.getpid())
    return ray


@pytest.fixture(scope="session")
def ray_session(pytestconfig: pytest.Config, own_ray: Any) -> Iterator[Any]:
    """A Ray of two CPUs and a small object store, started once; needs no token on loopback."""
    os.environ["RAY_AUTH_MODE"] = "disabled"
    # Workers work in the folder that Ray was started in: not in that of the first test to ask.
    with contextlib.chdir(pytestconfig.rootpath):
        own_ray.init(
            address="local",  # and not another one that may run on this machine
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="error",
            object_store_memory=100 * 2**20,
        )
    yield own_ray
    own_ray.shutdown()


@pytest.fixture
def ray_address(ray_session: Any) -> str:
    """Where other processes find that Ray."""
    return str(ray_session.get_runtime_context().gcs_address)


@pytest.fixture
def store_uri(tmp_path: Path) -> str:
    return str(tmp_path / "store")


@pytest.fixture(scope="session")
def superconv() -> Callable[..., Result]:
    """The command line, called in this process: ``superconv("run", path, "--local")``."""

    def call(*arguments: object) -> Result:
        from superconv_ray.cli.app import app

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "path", list(sys.path))  # a study's folder is put first
            return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return call


def results(uri: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All trials and curves of a store, without what differs between two runs: time and place.

    So does the memory that a process takes which trains one trial after another.
    """
    from superconv_ray import open_store

    store = open_store(uri)
    surroundings = [
        *("train_seconds", "eval_seconds", "data_wait_seconds", "decode_seconds"),
        *("finished_at", "host", "peak_memory_bytes"),
    ]
    trials = store.trials().drop(columns=surroundings)
    curves = store.curves().drop(columns="train_seconds").astype({"trial_id": str})
    return (
        trials.sort_values("trial_id", ignore_index=True),
        curves.sort_values(["trial_id", "step"], ignore_index=True),
    )


@pytest.fixture
def assert_same_results() -> Callable[[str, str], None]:
    """Whether two stores hold the same trials, each once, and the same numbers bit for bit."""

    def check(uri: str, expected_uri: str) -> None:
        for got, expected in zip(results(uri), results(expected_uri), strict=True):
            assert len(expected)
            pd.testing.assert_frame_equal(got, expected, check_exact=True)

    return check


@pytest.fixture(scope="session")
def assert_untouched() -> Callable[[str], None]:
    """Check that a store has no result and no study, and that no lease is held."""

    def check(uri: str) -> None:
        files = [path for path in Path(uri).rglob("*") if path.is_file()]
        assert [path.name for path in files] in ([], ["store.json"])

    return check


@pytest.fixture(scope="session")
def copy_sleepy_study() -> Callable[[Path], Path]:
    """Put the study for kills and interruptions into a folder, which is to be its own."""
    study = Path(__file__).parent / "execution" / "sleepy_study.py"
    return lambda folder: Path(shutil.copy(study, folder))


@pytest.fixture
def sleepy_study(tmp_path: Path, copy_sleepy_study: Callable[[Path], Path]) -> Path:
    return copy_sleepy_study(tmp_path)


@pytest.fixture(scope="session")
def never_interrupted(
    tmp_path_factory: pytest.TempPathFactory,
    copy_sleepy_study: Callable[[Path], Path],
    superconv: Callable[..., Result],
) -> str:
    """The store of that study after a run from its beginning to its end."""
    folder = tmp_path_factory.mktemp("never_interrupted")
    path, store = copy_sleepy_study(folder), str(folder / "store")
    (folder / "awake").touch()
    assert superconv("run", path, "--local", "--store", store).exit_code == 0
    return store
