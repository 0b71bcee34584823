"""Every study of the paper's tables and figures plans at its scales, and takes its first steps."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from click.testing import Result

from superconv_ray.cli.study_file import load_study, make_study
from superconv_ray.data.batches import ResidentDataset
from superconv_ray.data.catalog import DATASETS
from superconv_ray.design.building import make_plan
from superconv_ray.design.plan import Cell
from superconv_ray.design.study import Study
from superconv_ray.training.loop import TrainingRun
from tests.image_files import make_folder

FOLDER = Path(__file__).parents[1] / "studies" / "paper"
STUDIES = sorted(path for path in FOLDER.glob("*.py") if path.stem != "settings")
GPUS_ONLY = ("cifar100", "densenet", "wide_resnet")
"""Studies without a laptop scale."""
OF_FILES = "imagenet"
"""The study whose images must be there before it plans."""
PUBLISHED_MODEL = "torchvision:resnet50"
OF_ARRAYS = [path for path in STUDIES if path.stem != OF_FILES]


@pytest.mark.parametrize("path", OF_ARRAYS, ids=lambda path: path.stem)
def test_every_study_plans_at_its_scales_under_its_own_name(
    path: Path, superconv: Callable[..., Result]
) -> None:
    for scale in ("paper",) if path.stem in GPUS_ONLY else ("paper", "laptop"):
        plan = superconv("plan", path, "--scale", scale)
        assert plan.exit_code == 0, plan.stderr
        assert plan.stdout.startswith(f"study paper_{path.stem}_{scale}: ")


def test_the_study_of_imagenet_plans_at_its_scales(
    tmp_path: Path, superconv: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPERCONV_DATA_DIR", str(tmp_path / "cache"))
    path = FOLDER / f"{OF_FILES}.py"
    made = superconv("plan", path, "--scale", "laptop", "--files", "200", "--budgets", "1")
    assert made.exit_code == 0, made.stderr
    assert made.stdout.startswith("study paper_imagenet_laptop: ")
    without = superconv("plan", path, "--scale", "paper")
    assert without.exit_code != 0
    assert "--images must be ImageNet's folder or URI at --scale paper" in without.stderr
    make_folder(tmp_path / "images" / "train", 400)
    make_folder(tmp_path / "images" / "val", 2, seed=1000)
    options = ("--images", tmp_path / "images", "--fractions", "1.0", "--models", PUBLISHED_MODEL)
    published = superconv("plan", path, "--scale", "paper", *options)
    assert published.exit_code == 0, published.stderr
    assert "8 cells, 24 trials (24 trainings)" in published.stdout


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_opens_with_its_question_and_its_command(path: Path) -> None:
    title, _, command, *_ = path.read_text().splitlines()
    assert title.startswith('"""')
    assert title.endswith("?")
    scale = "paper" if path.stem in GPUS_ONLY else "laptop"
    assert command.strip().startswith(f"python studies/paper/{path.name} run --scale {scale}")


def test_the_published_size_takes_its_first_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each network with each of its optimizers, on made images of the true size."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    tried = set()
    for study in map(published, OF_ARRAYS):
        for cell in cells(study):
            kind = (cell.templates.pattern.model, cell.templates.pattern.optimizer)
            if kind not in tried:
                tried.add(kind)
                assert first_loss(study, cell) > 0, kind
    assert {"resnet20", "resnet110", "wide32", "densenet40"} <= {model for model, _ in tried}


def published(path: Path) -> Study:
    return make_study(load_study(path), scale="paper")


def cells(study: Study) -> Iterator[Cell]:
    for point in make_plan(study).points:
        yield from point.cells


def first_loss(study: Study, cell: Cell) -> float:
    """The training loss of two steps of 4 images, with the schedule of the published length."""
    pattern = cell.templates.pattern
    trial = pattern.complete(
        **dict.fromkeys(cell.chosen, 0.1),
        data_count=20,
        batch_size=4,
        ghost_batch_size=2 if pattern.ghost_batch_size else None,
        eval_interval=2,
        eval_count=4,
    )
    facts = DATASETS[trial.dataset]
    channels, *size = facts.input_shape
    draws = torch.Generator().manual_seed(0)
    images = torch.randint(256, (100, *size, channels), dtype=torch.uint8, generator=draws)
    labels = torch.arange(100) % facts.outputs
    made = ResidentDataset(images, labels, images[:4], labels[:4])
    run = TrainingRun(trial, made, study.models.get(trial.model, trial.model))
    run.train(pause=lambda: run.step == 2)
    return float(run.curve[0]["train_loss"])
