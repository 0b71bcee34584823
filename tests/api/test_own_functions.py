"""Own schedule, optimizer and augmentation, from the arm to the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from superconv_ray import Arm, Study, Trial, from_range_test, grid, iterations
from superconv_ray.report.sections.trained import schedules
from tests.own_code import flip_and_shift, mirrored, noise, plain, sign_descent

STUDY = Study(
    name="mine",
    base=Trial(dataset="digits", batch_size=16, eval_interval=6),
    sweep=grid(data_count=(60,)),
    arms={
        "one_cycle": Arm(policy="one_cycle", max_lr=0.1),
        "own schedule": Arm(policy=mirrored, max_lr=from_range_test(steps=20, points=5)),
        "own optimizer": Arm(policy=plain, optimizer=sign_descent, max_lr=0.003),
        "own augmentation": Arm(policy="wsd", augment=noise, max_lr=0.1),
        "own pipeline": Arm(policy="rex", augment=flip_and_shift(), max_lr=0.1),
    },
    budget=iterations(12),
    seeds=2,
)


def test_own_functions_are_contestants_by_their_names(store_uri: str) -> None:
    result = STUDY.run(store_uri, local=True, progress=False)
    assert not result.summary.failed
    named = result.trainings.set_index("arm")[["policy", "optimizer", "augment"]]
    assert [*named.loc["own schedule"].iloc[0]] == ["mirrored", "sgd", "none"]
    assert [*named.loc["own optimizer"].iloc[0]] == ["plain", "sign_descent", "none"]
    assert [*named.loc["own augmentation"].iloc[0]] == ["wsd", "sgd", "noise"]
    pipeline = "RandomHorizontalFlip+RandomCrop"
    assert [*named.loc["own pipeline"].iloc[0]] == ["rex", "sgd", pipeline]
    assert {*result.compare()["baseline"]} == STUDY.arms.keys() - {"one_cycle"}
    (section,) = schedules(result)
    assert {*section.frame["arm"]} == {*STUDY.arms}
    again = STUDY.run(store_uri, local=True, progress=False)
    assert (again.summary.trained, again.summary.left) == (0, 0)


def test_only_what_an_edited_function_changes_is_trained_again(
    store_uri: str, tmp_path: Path
) -> None:
    def study(source: str) -> Study:
        arms = {"own": Arm(policy=_function(tmp_path, source), max_lr=0.1)}
        return replace(STUDY, arms={"one_cycle": STUDY.arms["one_cycle"], **arms}, seeds=1)

    study("max_lr").run(store_uri, local=True, progress=False)
    edited = study("max_lr / 2").run(store_uri, local=True, progress=False, replace=True)
    assert (edited.summary.trained, edited.summary.found) == (1, 1)
    (own,) = edited.trainings[edited.trainings["arm"] == "own"]["trial_id"]
    assert set(edited.curves[edited.curves["trial_id"] == own]["lr"]) == {0.05}


def _function(folder: Path, result: str) -> Callable[..., Any]:
    """A schedule of a file of its own, whose source can be read."""
    name = f"own_schedule_{abs(hash(result))}"
    path = folder / f"{name}.py"
    path.write_text(f"def edited(step, *, steps, max_lr):\n    return {result}\n")
    namespace: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), namespace)
    function: Callable[..., Any] = namespace["edited"]
    return function
