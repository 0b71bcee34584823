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

FOLDER = Path(__file__).parents[1] / "studies" / "paper"
STUDIES = sorted(path for path in FOLDER.glob("*.py") if path.stem != "settings")
GPUS_ONLY = ("cifar100", "densenet", "wide_resnet")
"""Studies without a laptop scale."""


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_plans_at_its_scales_under_its_own_name(
    path: Path, superconv: Callable[..., Result]
) -> None:
    for scale in ("paper",) if path.stem in GPUS_ONLY else ("paper", "laptop"):
        plan = superconv("plan", path, "--scale", scale)
        assert plan.exit_code == 0, plan.stderr
        assert plan.stdout.startswith(f"study paper_{path.stem}_{scale}: ")


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
    for study in map(published, STUDIES):
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
