"""`Study.run` and `Study.results`, as scripts and notebooks call them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from torch import Tensor, nn

from superconv_ray import (
    Arm,
    IncompleteRunWarning,
    RunResult,
    Store,
    StoreError,
    Study,
    StudyWarning,
    Trial,
    from_range_test,
    grid,
    iterations,
    open_store,
)
from superconv_ray.data.readers import DatasetNotFoundError

STUDY = Study(
    name="tiny",
    base=Trial(dataset="digits", batch_size=16, eval_interval=10),
    sweep=grid(data_count=(60,)),
    arms={
        "one_cycle": Arm(max_lr=from_range_test(steps=10)),
        "constant": Arm(policy="constant", max_lr=0.05),
    },
    budget=iterations(20),
    seeds=2,
)


class Broken(nn.Module):
    def __init__(self, *, input_shape: tuple[int, ...], classes: int, dropout: float) -> None:
        super().__init__()
        self.linear = nn.Linear(input_shape[1] * input_shape[2], classes)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        if self.training and len(x) > 2:  # not when it is tried
            raise RuntimeError("no luck")
        return self.linear(x.flatten(1))  # type: ignore[no-any-return]


def test_a_rate_that_is_confirmed_is_found_again(store_uri: str) -> None:
    confirmed = Arm(max_lr=from_range_test(steps=10, confirm=2))
    study = replace(STUDY, arms={"one_cycle": confirmed}, seeds=1)
    first, second = (study.run(store_uri, local=True, progress=False) for _ in range(2))
    counts = [(r.summary.trained, r.summary.found, r.summary.left) for r in (first, second)]
    assert counts == [(1 + 2 + 1, 0, 0), (0, 4, 0)]
    tried = first.trials[first.trials["role"] == "tuning"]
    best = tried[tried["validation_accuracy"] == tried["validation_accuracy"].max()]
    assert set(first.trainings["max_lr"]) <= set(best["max_lr"])


def test_a_short_linear_range_test_is_warned_of_before_it_runs(store_uri: str) -> None:
    linear = Arm(max_lr=from_range_test(scale="linear", steps=10))
    study = replace(STUDY, arms={"one_cycle": linear})
    with pytest.warns(StudyWarning, match="of 10 steps from 0 to 3 .* give it 1,000 steps"):
        study.run(store_uri, local=True, progress=False, max_trials=0)
    assert "warning: a linear range test of 10 steps from 0 to 3" in repr(study.plan())


def test_a_run_returns_the_results_and_says_how_it_went(store_uri: str) -> None:
    result = STUDY.run(store_uri, local=True)
    assert isinstance(result, RunResult)
    assert (result.summary.trained, result.summary.found, result.summary.left) == (6, 0, 0)
    assert len(result.trials) == 6
    assert set(result.curves["trial_id"]) == set(result.trials["trial_id"])


def test_the_next_run_trains_what_is_missing(store_uri: str) -> None:
    first = STUDY.run(store_uri, local=True, max_trials=1)
    assert (first.summary.trained, first.summary.left) == (1, 5)
    second = STUDY.run(Path(store_uri), local=True)
    assert (second.summary.trained, second.summary.found) == (5, 1)
    pd.testing.assert_frame_equal(STUDY.results(store_uri).trials, second.trials)


def test_progress_can_be_switched_off(store_uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    STUDY.run(store_uri, local=True, max_trials=1, progress=False)
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("ray_session")
def test_it_runs_in_a_ray_that_is_connected_already(
    tmp_path: Path, ray_session: Any, assert_same_results: Callable[[str, str], None]
) -> None:
    STUDY.run(tmp_path / "ray")
    assert ray_session.is_initialized()  # it is the user's, and left running
    STUDY.run(tmp_path / "local", local=True)
    assert_same_results(str(tmp_path / "ray"), str(tmp_path / "local"))


@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize("local", [True, False])
def test_it_runs_inside_a_running_event_loop(local: bool, store_uri: str) -> None:
    async def cell() -> RunResult:
        return STUDY.run(store_uri, local=local)

    assert asyncio.run(cell()).summary.trained == 6


@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize("local", [True, False])
def test_it_runs_in_another_thread(local: bool, store_uri: str) -> None:
    results: list[RunResult] = []
    thread = threading.Thread(target=lambda: results.append(STUDY.run(store_uri, local=local)))
    thread.start()
    thread.join()
    assert [result.summary.trained for result in results] == [6]


def test_failed_trials_are_a_warning_and_the_others_results(store_uri: str) -> None:
    study = Study(
        name="broken",
        base=Trial(dataset="digits", batch_size=16),
        sweep=grid(data_count=(60,)),
        arms={
            "whole": Arm(policy="constant", max_lr=0.05),
            "broken": Arm(policy="constant", max_lr=0.05, model="broken"),
            "blocked": Arm(model="broken", max_lr=from_range_test(steps=10)),
        },
        budget=iterations(10),
        seeds=1,
        models={"broken": Broken},
    )
    with pytest.warns(IncompleteRunWarning) as caught:
        result = study.run(store_uri, local=True)
    (warning,) = caught
    assert warning.filename == __file__  # the line that called `run`
    assert str(warning.message).startswith("2 trials failed; the next run tries again\n")
    assert "not run: arm 'blocked' at data_count=60: a range test" in str(warning.message)
    assert result.arms == ["whole"]
    assert set(result.failures) == set(result.summary.failed)


# Mistakes


def test_an_unknown_option_is_rejected_with_the_nearest_one(store_uri: str) -> None:
    with pytest.raises(TypeError, match="'max_trial' is not an option; did you mean 'max_trials'"):
        STUDY.run(store_uri, max_trial=1)
    assert not Path(store_uri).exists()


@pytest.mark.parametrize(
    ("study", "options", "error", "message"),
    [
        ({}, {"max_trials": -1}, ValueError, "max_trials must be an integer >= 0, got -1"),
        ({}, {"store": "xyz://a/b"}, ValueError, "store must be a local path or a URI"),
        ({"base": Trial(model="lenett")}, {}, ValueError, "did you mean 'lenet'"),
        ({"base": Trial(dataset="mnist")}, {}, DatasetNotFoundError, "mnist was not found"),
    ],
)
def test_mistakes_are_exceptions_with_the_message_of_the_command_line(
    study: dict[str, Any],
    options: dict[str, Any],
    error: type[Exception],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    arms = {"one_cycle": Arm(max_lr=0.1)}
    changed = Study(name="s", budget=iterations(20), arms=arms, **study)
    given = {"store": tmp_path / "store", "local": True, "data_dir": tmp_path, **options}
    with pytest.raises(error, match=message):
        changed.run(**given)
    assert open_store(tmp_path / "store").studies() == []


def test_the_results_of_a_study_that_never_ran_do_not_exist(store_uri: str) -> None:
    with pytest.raises(StoreError, match="no study 'tiny' in the store"):
        STUDY.results(store_uri)


def test_a_store_is_read_by_its_public_name(store_uri: str) -> None:
    assert isinstance(STUDY.run(store_uri, local=True, max_trials=1).store, Store)
