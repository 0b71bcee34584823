"""The study of ImageNet on made-up files, under Ray, with a worker that is killed in its middle."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from torch import Tensor, nn

from superconv_ray.cli.study_file import load_study, make_study
from superconv_ray.design.building import make_plan
from superconv_ray.design.study import Study
from superconv_ray.execution.session import RunOptions, RunSummary, run_plan
from superconv_ray.models.small_cnn import SmallCNN
from tests.image_files import make_folder

STUDY = Path(__file__).parents[3] / "studies" / "paper" / "imagenet.py"


class Counting(SmallCNN):
    """It calls `before_step` with the number of the training batch."""

    def __init__(self, before_step: Callable[[int], None], **arguments: Any) -> None:
        super().__init__(**arguments)
        self.before_step = before_step
        self.steps = 0

    def forward(self, x: Tensor) -> Tensor:
        if self.training and len(x) > 2:  # not when it is tried
            self.steps += 1
            self.before_step(self.steps)
        return super().forward(x)


def run(study: Study, store: str, **options: Any) -> tuple[RunSummary, str]:
    screen = io.StringIO()
    console = Console(file=screen, width=300)
    return run_plan(
        make_plan(study), RunOptions(store=store, **options), console
    ), screen.getvalue()


def test_a_killed_worker_changes_no_number_of_a_study_of_image_files(
    ray_session: Any,  # noqa: ARG001
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    assert_same_results: Callable[[str, str], None],
) -> None:
    monkeypatch.setenv("SUPERCONV_DATA_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    make_folder(tmp_path / "images" / "train", 40)
    make_folder(tmp_path / "images" / "val", 5, seed=500)
    flags = {"images": str(tmp_path / "images"), "budgets": (2, 4), "seeds": 1}
    laptop = make_study(
        load_study(STUDY), scale="laptop", models=("counting",), weight_decays=(1e-4,), **flags
    )

    def die_once(step: int) -> None:
        """Kill the process in the middle of an epoch, in whichever trial gets there first."""
        with (tmp_path / "steps").open("a") as file:
            file.write(f"{step} ")
        if step == 3 and not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os._exit(1)

    def counting(**arguments: Any) -> nn.Module:
        return Counting(die_once, **arguments)

    study = replace(laptop, models={"counting": counting})
    summary, screen = run(study, str(tmp_path / "ray"), checkpoint_seconds=1e-9)
    assert (summary.failed, summary.blocked, summary.trained) == ((), (), 5)
    assert (tmp_path / "died").exists()
    assert "its worker's process ended" in screen
    undisturbed, _ = run(study, str(tmp_path / "local"), local=True)
    assert undisturbed.trained == 5
    assert_same_results(str(tmp_path / "ray"), str(tmp_path / "local"))
