"""Tune callbacks of the user's, under real Ray: what trackers such as MLflow's are shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from superconv_ray import open_store

pytestmark = pytest.mark.usefixtures("ray_session")

STUDY = """
from superconv_ray import Arm, Study, Trial, iterations

study = Study(
    name="tracked",
    base=Trial(dataset="digits", data_count=60, batch_size=16),
    arms={"low": Arm(max_lr=0.05), "high": Arm(max_lr=0.1)},
    budget=iterations(10),
    seeds=1,
)
"""
TRACKERS = """
import json
from pathlib import Path

from ray.tune.logger import LoggerCallback

class Notes(LoggerCallback):
    def log_trial_result(self, iteration, trial, result):
        numbers = {k: v for k, v in result.items() if isinstance(v, (int, float))}
        with (Path(__file__).parent / "notes").open("a") as file:
            file.write(json.dumps({"config": trial.config["max_lr"], **numbers}) + "\\n")

def notes():
    return Notes()
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "tracked_study.py").write_text(STUDY)
    (tmp_path / "trackers_of_the_test.py").write_text(TRACKERS)
    return tmp_path / "tracked_study.py"


def test_a_tracker_is_shown_settings_and_measurements_at_the_last_step(
    study: Path, store_uri: str, superconv: Callable[..., Result]
) -> None:
    own = ["--callback", "trackers_of_the_test:notes"]
    tunes = ["--callback", "ray.tune.logger:TBXLoggerCallback"]  # writes where nobody looks
    run = superconv("run", study, "--store", store_uri, "--cpus-per-trial", "2", *own, *tunes)
    assert run.exit_code == 0, run.output
    notes = [json.loads(line) for line in (study.parent / "notes").read_text().splitlines()]
    ended = {note["config"]: note for note in notes if note["done"]}
    trials = open_store(store_uri).trials().set_index("max_lr")
    assert sorted(ended) == [0.05, 0.1]
    assert set(trials["threads"]) == {2}  # as many as CPUs
    for max_lr, note in ended.items():
        assert note["test_accuracy"] == trials.loc[max_lr, "test_accuracy"]
        assert note["timesteps_total"] == note["steps_done"] == 10


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("trackers_of_the_test:none", "has no attribute 'none'"),
        ("no_such_module:x", "No module named 'no_such_module'"),
        ("not a name", "invalid format"),
    ],
)
def test_a_callback_that_is_not_there_is_an_error_before_anything_is_trained(
    study: Path, store_uri: str, superconv: Callable[..., Result], name: str, reason: str
) -> None:
    run = superconv("run", study, "--store", store_uri, "--callback", name)
    assert run.exit_code == 2
    assert "it must be MODULE:NAME of a Tune callback or of a function" in run.stderr
    assert reason in run.stderr
    assert open_store(store_uri).finished_ids() == frozenset()


def test_local_runs_have_no_tune_and_so_no_callbacks(
    study: Path, store_uri: str, superconv: Callable[..., Result]
) -> None:
    run = superconv("run", study, "--local", "--store", store_uri, "--callback", "a:b")
    assert run.exit_code == 2
    assert "callbacks must not be set in local runs, which do not use Ray" in run.stderr
