"""A driver that was stopped while another one ran its study writes nothing and says why."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from superconv_ray import open_store
from superconv_ray.storage import lease as lease_module
from tests.execution.drivers import PATIENCE, driver, wait_for


@pytest.fixture
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver of this process takes over from one that has not renewed its lease for a second."""
    monkeypatch.setattr(lease_module, "EXPIRY_SECONDS", 1.0)


@pytest.mark.usefixtures("short_leases")
@pytest.mark.parametrize("mode", ["one process", "Ray"])
def test_a_driver_that_wakes_up_after_another_one_has_run_its_study_changes_nothing(
    mode: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    sleepy_study: Path,
    superconv: Callable[..., Result],
    assert_same_results: Callable[[str, str], None],
    never_interrupted: str,
) -> None:
    store = str(tmp_path / "store")

    options = ["--local"]
    if mode == "Ray":
        options = ["--address", request.getfixturevalue("ray_address")]

    def run() -> str:
        return superconv("run", sleepy_study, "--local", "--store", store).output

    with driver(sleepy_study, store, *options) as stopped:
        wait_for("a trial in progress", (tmp_path / "asleep").exists)
        stopped.send_signal(signal.SIGSTOP)
        (tmp_path / "awake").touch()
        wait_for("the lease of the stopped driver", lambda: "0 left" in run())
        members = open_store(store).members("sleepy")
        stopped.send_signal(signal.SIGCONT)
        output, _ = stopped.communicate(timeout=PATIENCE)
    assert stopped.returncode == 2, output
    assert "another run has taken over" in output
    assert "Traceback" not in output
    assert open_store(store).members("sleepy").equals(members)
    assert not open_store(store).begun_ids()
    assert "0 trials trained, 6 found" in run()
    assert_same_results(store, never_interrupted)
