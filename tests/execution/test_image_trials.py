"""Trials on images in files: what the user is told, and what a source that goes away costs."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from rich.console import Console

from superconv_ray import Arm, ImageDataset, Study, Trial, image_folder, iterations, open_store
from superconv_ray.data import checked_files, image_files, streaming
from superconv_ray.data.batches import DeviceData
from superconv_ray.data.device_data import prepare_data
from superconv_ray.data.streaming import Load
from superconv_ray.design.building import make_plan
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.execution import run_builder
from superconv_ray.execution import worker as worker_module
from superconv_ray.execution.probe import Probe
from superconv_ray.execution.run_builder import RunBuilder
from superconv_ray.execution.session import RunOptions, RunSummary, run_plan
from superconv_ray.execution.worker import Job, Worker
from tests.image_files import make_folder


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SUPERCONV_DATA_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(image_files, "PAUSES", ())
    make_folder(tmp_path / "data" / "train", 12)
    make_folder(tmp_path / "data" / "val", 4, seed=100)
    return tmp_path / "data"


def data_of(root: Path, **settings: Any) -> ImageDataset:
    return image_folder(root / "train", root / "val", **{"image_size": 8} | settings)


def study(root: Path, **changes: Any) -> Study:
    settings: dict[str, Any] = {
        "name": "insects",
        "base": Trial(
            dataset="insects", batch_size=8, augment="flip_resized_crop", precision="fp32"
        ),
        "arms": {"one_cycle": Arm(max_lr=0.1)},
        "budget": iterations(8),
        "seeds": 2,
        "datasets": {"insects": lambda: data_of(root)},
    }
    return Study(**settings | changes)


def run(given: Study, uri: str) -> tuple[RunSummary, str]:
    output = io.StringIO()
    console = Console(file=output, width=400)
    return run_plan(make_plan(given), RunOptions(store=uri, local=True), console), output.getvalue()


def trial_of(root: Path) -> tuple[CompleteTrial, ImageDataset]:
    plan = make_plan(study(root))
    found = plan.datasets["insects"]
    assert isinstance(found, ImageDataset)
    return plan.cells[0].trainings[0], found


def worker_of(uri: str, data: ImageDataset, told: list[str]) -> Worker:
    return Worker(Job(store=uri, models={}, checkpoint_seconds=60.0), lambda _: data, told.append)


def test_a_study_of_image_files_runs_and_finds_its_trials_again(root: Path, store_uri: str) -> None:
    summary, _ = run(study(root), store_uri)
    assert (summary.trained, summary.found) == (2, 0)
    trials = open_store(store_uri).trials()
    assert trials["test_accuracy"].between(0, 1).all()
    assert trials["dataset_digest"].unique().tolist() == [data_of(root).digest()]
    assert (trials["decode_seconds"] > 0).all()
    summary, _ = run(study(root), store_uri)
    assert (summary.trained, summary.found) == (0, 2)


def test_skipped_files_are_counted_in_every_row(root: Path, store_uri: str) -> None:
    (root / "train" / "bee" / "000.jpg").write_bytes(b"")
    datasets = {"insects": lambda: data_of(root, damaged="skip")}
    run(study(root, datasets=datasets), store_uri)
    trials = open_store(store_uri).trials()
    assert trials["skipped_files"].tolist() == [1, 1]
    assert trials["data_count"].tolist() == [35, 35]


def test_a_run_keeps_in_its_store_which_files_it_checked(
    root: Path, store_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPERCONV_DATA_DIR", str(tmp_path / "one machine"))
    first = study(root).run(store_uri, local=True, progress=False).summary
    monkeypatch.setenv("SUPERCONV_DATA_DIR", str(tmp_path / "another"))
    monkeypatch.setattr(checked_files, "_problem", None)  # no file may be checked again
    again = study(root).run(store_uri, local=True, progress=False).summary
    assert (first.trained, again.found) == (2, 2)


def test_a_data_set_that_changed_has_trials_of_its_own(root: Path, store_uri: str) -> None:
    run(study(root), store_uri)
    (root / "train" / "ant" / "000.jpg").rename(root / "train" / "bee" / "100.jpg")
    plan = make_plan(study(root))
    known = set(open_store(store_uri).trials()["trial_id"])
    assert not known & {trial.id for cell in plan.cells for trial in cell.trainings}


def test_a_file_that_changes_while_a_study_runs_fails_the_trial_by_name(
    root: Path, store_uri: str
) -> None:
    plan = make_plan(study(root))
    (root / "train" / "ant" / "000.jpg").write_bytes(b"edited")
    output = io.StringIO()
    console = Console(file=output, width=2000)
    summary = run_plan(plan, RunOptions(store=store_uri, local=True), console)
    assert len(summary.failed) == 2
    failures = open_store(store_uri).failures()
    told = output.getvalue()
    for text in (told, *(failures[trial]["error"] for trial in summary.failed)):
        assert "ant/000.jpg is not what it was when the study was planned" in text
    assert "Traceback" not in told


def test_a_folder_that_goes_away_costs_no_step(root: Path, store_uri: str) -> None:
    trial, data = trial_of(root)
    undisturbed = worker_of(f"{store_uri}-whole", data, [])
    undisturbed.start(trial)
    assert undisturbed.work() is not None

    told: list[str] = []
    worker = worker_of(store_uri, data, told)
    worker.start(trial)
    worker.work(0.0)
    assert worker._run is not None
    worker._run.train(pause=lambda: worker.position[0] == 3)  # in the first of two epochs
    (root / "train").rename(root / "unmounted")
    failed = worker.work()
    assert failed is not None
    assert failed.status == "failed"
    assert "no such folder any more" in str(failed.error)

    (root / "unmounted").rename(root / "train")
    again = worker_of(store_uri, data, told)
    again.start(trial)
    again.work(0.0)
    assert again.position[0] >= 3
    assert again.work() is not None
    ended, expected = (
        open_store(uri).trials()[["test_loss", "train_loss", "steps_done"]]
        for uri in (store_uri, f"{store_uri}-whole")
    )
    assert ended.equals(expected)
    assert told == [] or "waiting for images" in told[0]


def test_arms_that_crop_and_arms_that_do_not_prepare_the_images_once_each(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, data = trial_of(root)
    prepared: list[bool] = []

    def noted(*arguments: Any, **settings: Any) -> DeviceData:
        prepared.append(settings["stream"])
        return prepare_data(*arguments, **settings)

    monkeypatch.setattr(run_builder, "prepare_data", noted)
    builder = RunBuilder({}, lambda _: data, threads=1, gpu=False)
    for seed in (0, 1):
        for augment in ("none", "resized_crop"):
            builder.build(trial.changed(seed=seed, augment=augment), None)
    builder.build(trial.changed(dataset="others"), None)
    assert prepared == [False, True, True]
    assert len(builder._prepared) == 1


def test_test_images_that_go_away_at_an_evaluation_cost_no_row(
    root: Path, store_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "KEPT_BYTES", 0)  # each evaluation reads them
    trial, data = trial_of(root)

    def rest(uri: str) -> str | None:
        worker = worker_of(uri, data, [])
        worker.start(trial)
        outcome = worker.work()
        assert outcome is not None
        return outcome.error

    rest(f"{store_uri}-whole")
    worker = worker_of(store_uri, data, [])
    worker.start(trial)
    worker.work(0.0)
    assert worker._run is not None
    worker._run.train(pause=lambda: worker.position[0] == 5)  # between evaluations
    worker.interrupt()
    (root / "val").rename(root / "unmounted")
    assert "no such folder any more" in str(rest(store_uri))
    (root / "unmounted").rename(root / "val")
    assert rest(store_uri) is None
    timed = ["train_seconds"]
    ended, expected = (
        open_store(uri).curves().drop(columns=timed) for uri in (store_uri, f"{store_uri}-whole")
    )
    pd.testing.assert_frame_equal(ended, expected)


@pytest.mark.parametrize(("limit", "lines"), [(0.0, 1), (1.0, 0)])
def test_a_loop_that_waits_for_images_says_once_what_decoding_lacks(
    root: Path, store_uri: str, monkeypatch: pytest.MonkeyPatch, limit: float, lines: int
) -> None:
    monkeypatch.setattr(worker_module, "WAITING", limit)
    trial, data = trial_of(root)
    told: list[str] = []
    worker = worker_of(store_uri, data, told)
    for seed in (0, 1):
        worker.start(trial.changed(seed=seed))
        worker.work()
    assert len(told) == lines
    for line in told:
        assert f"trial {trial.id}" in line
        assert "of the time in steps was waiting for images" in line
        assert "CPUs and has 1: " in line
        assert line.endswith(
            (
                "raise --cpus-per-trial, or make the files smaller",
                "reading them is slow, or other processes take the CPUs",
            )
        )


@pytest.mark.parametrize(
    ("decoding", "advice"),
    [
        (9.0, "decoding needs 1.8 CPUs and has 1: raise --cpus-per-trial, or make the files"),
        (0.5, "decoding needs 0.1 CPUs and has 1: reading them is slow, or other processes"),
    ],
)
def test_more_cpus_are_advised_only_where_decoding_lacks_them(decoding: float, advice: str) -> None:
    load = Load(threads=1)
    load.waited_seconds, load.decode_seconds = 5.0, decoding
    line = worker_module._lack(load, 10.0)
    assert line.startswith("50% of the time in steps was waiting for images")
    assert advice in line


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data_fraction": 0.02}, "data_fraction must leave every class a training sample"),
        ({"model": "lenet"}, "needs images of at least 13 x 13 pixels"),
    ],
)
def test_what_cannot_be_trained_is_refused_by_the_plan(
    root: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_plan(study(root, base=study(root).base.changed(**changes)))


def test_arrays_are_not_cropped_while_they_are_decoded(root: Path) -> None:
    base = Trial(dataset="digits", augment="resized_crop")
    with pytest.raises(ValueError, match="'resized_crop' crops images while they are decoded"):
        make_plan(study(root, base=base))


def test_something_else_than_a_data_set_is_refused(root: Path) -> None:
    wrong: Callable[[], Any] = lambda: 3  # noqa: E731
    with pytest.raises(TypeError, match="must be a Dataset, an ImageDataset or a function that"):
        make_plan(study(root, datasets={"insects": wrong}))


def test_the_pace_of_a_plan_is_measured_with_decoding(root: Path) -> None:
    trial, data = trial_of(root)
    pace = Probe(torch.device("cpu"), seconds=0.05).measure(trial, trial.model, data)
    assert pace.step.likely > 0
    assert pace.sample.likely > 0
