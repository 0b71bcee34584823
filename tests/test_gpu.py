"""The acceptance run on a GPU: its part for CPUs, without Ray, and the page that is made of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.gpu.__main__ import POINTS
from benchmarks.gpu.report import (
    NOT_MEASURED,
    Found,
    Point,
    Settings,
    as_text,
    attempt,
    page,
    record_of,
)
from benchmarks.gpu.sharing import share_by_auto, together
from benchmarks.recording import FOLDER, Figure

ROOT = Path(__file__).parents[1]
CPU = Settings(torch.device("cpu"), quick=True)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The findings of a run in which nothing can import Ray or torchvision, or see a GPU."""
    folder = tmp_path_factory.mktemp("gpu")
    for package in ("ray", "torchvision"):
        (folder / package).mkdir()
        (folder / package / "__init__.py").write_text("raise ImportError('not on this machine')")
    output = folder / "gpu.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", "--quick", "--output", str(output)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(folder), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    found: dict[str, Any] = json.loads(output.read_text())
    return found


def test_every_point_does_its_part_on_a_cpu(record: dict[str, Any]) -> None:
    assert [point["title"] for point in record["points"]] == [point.title for point in POINTS]
    for point in record["points"]:
        assert point["checks"], point["title"]
        assert all(point["checks"].values()), point


def test_what_a_cpu_cannot_tell_is_said_and_no_speed_is_claimed(record: dict[str, Any]) -> None:
    needing = [p["title"] for p in record["points"] if "needs CUDA" in str(p["left_out"])]
    assert needing == [
        "The same study on CPU and GPU",
        "Determinism and its cost",
        "Throughput",
        "Several trials on one card",
        "No waiting in a step",
    ]
    figures = [figure for point in record["points"] for figure in point["figures"]]
    assert not [
        figure for figure in figures if figure["unit"] == "x" or "samples" in figure["what"]
    ]


def test_the_page_shows_no_findings_of_a_machine_without_a_gpu(record: dict[str, Any]) -> None:
    assert page(None) == page(record) == f"{NOT_MEASURED}\n"
    assert "No GPU has been measured yet" in NOT_MEASURED


def test_the_saved_findings_are_of_a_gpu() -> None:
    path = FOLDER / "gpu.json"
    assert not path.exists() or "driver" in json.loads(path.read_text())["machine"]


def test_the_page_of_a_gpu_has_card_driver_date_and_findings() -> None:
    found = {
        "Throughput": Found(
            {"every loop trains": True, "none waits": False},
            [Figure("lenet: speed", 0.98, "x", "a hand-written loop")],
            ["MPS: it is not installed"],
        )
    }
    record = record_of(found, CPU)
    record["machine"] = {"device": "A card", "memory": "80 GiB", "driver": "1.2.3"}
    text = page(record)
    assert text == as_text(record)
    assert f"Run on {record['date']} on A card, memory 80 GiB, driver 1.2.3; Python" in text
    assert "- holds: every loop trains\n- **FAILS**: none waits\n- not run: MPS: it is" in text
    assert "| lenet: speed | 0.98x | a hand-written loop |" in text


def test_the_share_that_a_measured_trial_gets_is_a_whole_fraction_of_the_card() -> None:
    gib = 2**30
    # (1.25 x 2 GiB + 600 MiB for CUDA) fit 25 times into 80 GiB, of which leading digits count: 24
    assert share_by_auto("resnet20", 2 * gib, 80 * gib) == pytest.approx(80 * gib / 24, rel=1e-2)
    assert share_by_auto("resnet20", 79 * gib, 80 * gib) == 80 * gib


def test_a_process_that_does_not_start_leaves_no_other_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    class Recorded(subprocess.Popen[str]):
        def __init__(self, *given: Any, **options: Any) -> None:
            super().__init__(*given, **options)
            started.append(self)

    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no\nexec sleep 60\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    monkeypatch.setattr(subprocess, "Popen", Recorded)
    with pytest.raises(RuntimeError, match="a process of 2 did not start to train lenet"):
        together(2, "lenet", 1, CPU)
    assert [process.returncode for process in started] == [-signal.SIGKILL] * 2


def test_an_error_of_a_point_is_a_finding() -> None:
    def broken(_: Settings) -> Found:
        raise RuntimeError("no kernel")

    found = attempt(Point("Broken", broken), CPU)
    assert found.checks == {"it runs (RuntimeError: no kernel)": False}
