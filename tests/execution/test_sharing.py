"""Two drivers of different studies on one store: trials that both studies use are trained once."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from superconv_ray.design.trial import CompleteTrial
from superconv_ray.execution.sharing import SharedTrials
from superconv_ray.storage import lease as lease_module
from superconv_ray.storage.filesystem import Files
from superconv_ray.storage.lease import EXPIRY_SECONDS, StudyInUseError, lease
from superconv_ray.storage.trial_claims import TrialClaims
from tests.execution.drivers import PATIENCE, driver, wait_for
from tests.storage.stored import make_trial


@pytest.fixture
def store(tmp_path: Path) -> str:
    return str(tmp_path / "store")


@pytest.fixture
def same_trials(sleepy_study: Path) -> Path:
    """Another study of the same trials."""
    other = sleepy_study.with_name("other_study.py")
    other.write_text(sleepy_study.read_text().replace('name="sleepy"', 'name="other"'))
    return other


@contextlib.contextmanager
def stuck_driver(study: Path, store: str) -> Iterator[subprocess.Popen[str]]:
    """A driver in the midst of the second of six trials."""
    with driver(study, store, "--local") as process:
        wait_for("a trial in progress", study.with_name("asleep").exists)
        study.with_name("stuck").touch()
        yield process


def let_go(study: Path) -> None:
    study.with_name("awake").touch()
    study.with_name("stuck").unlink()


def wait_for_claims(store: str) -> None:
    wait_for("claims", lambda: list(Path(store).glob("leases/other/*/trials-1.json")))


def trained(output: str) -> int:
    counts = re.search(r"^study \w+: (\d+) trials? trained", output, re.MULTILINE)
    assert counts, output
    return int(counts[1])


def test_trials_that_two_running_studies_share_are_trained_once(
    store: str,
    sleepy_study: Path,
    same_trials: Path,
    assert_same_results: Callable[[str, str], None],
    never_interrupted: str,
) -> None:
    with stuck_driver(sleepy_study, store) as first, driver(same_trials, store, "--local") as other:
        wait_for_claims(store)
        let_go(sleepy_study)
        outputs = [process.communicate(timeout=PATIENCE)[0] for process in (first, other)]
    assert re.search(r"study 'sleepy' \(process \d+ on \S+\) trains 3 trials of this", outputs[1])
    assert [trained(output) for output in outputs] == [6, 0]
    assert_same_results(store, never_interrupted)


def test_trials_of_a_driver_that_is_killed_are_trained_by_the_one_that_waits(
    ray_address: str,
    store: str,
    sleepy_study: Path,
    same_trials: Path,
    superconv: Callable[..., Result],
    assert_same_results: Callable[[str, str], None],
    never_interrupted: str,
) -> None:
    with (
        stuck_driver(sleepy_study, store) as killed,
        driver(same_trials, store, "--address", ray_address) as other,
    ):
        wait_for_claims(store)
        killed.kill()
        killed.wait()
        let_go(sleepy_study)
        output, _ = other.communicate(timeout=PATIENCE)
    assert other.returncode == 0, output
    assert trained(output) == 5  # all but the first, which came before
    assert "0 trials trained, 6 found" in superconv("run", sleepy_study, "--store", store).output
    assert_same_results(store, never_interrupted)


class Ready:
    """A planner whose trials are all ready."""

    def __init__(self, *trials: CompleteTrial) -> None:
        self.ready = deque(trials)

    def next(self) -> CompleteTrial:
        return self.ready.popleft()


def test_a_driver_that_wakes_up_after_it_was_replaced_begins_no_trial_that_it_claimed_before(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = Files(store)
    planner: Any = Ready(make_trial(1), make_trial(2))
    with lease(files, "one") as asleep:
        shared = SharedTrials(planner, TrialClaims(asleep), lambda _: lambda _: None, print, print)
        assert shared.next() == make_trial(1)
        os.utime(files.path(asleep.claim), (time.time() - EXPIRY_SECONDS - 5,) * 2)
        with lease(files, "one"):
            monkeypatch.setattr(lease_module, "RENEWAL_SECONDS", 0.0)  # it is overdue now
            with pytest.raises(StudyInUseError, match="another run has taken over"):
                shared.next()
