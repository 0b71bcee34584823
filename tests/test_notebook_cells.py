"""A study whose model, data and arms are defined in the cells of a notebook, in a real kernel."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from superconv_ray.analysis.range_tests.advice import Verdict

DATA = """
import numpy as np
from superconv_ray import Arm, Dataset, Study, Trial, iterations

def load():
    draw = np.random.default_rng(0)
    labels = np.arange(80) % 2
    inputs = (draw.normal(size=(80, 3)) + labels[:, None]).astype(np.float32)
    return Dataset(
        train_inputs=inputs[:60], train_labels=labels[:60],
        test_inputs=inputs[60:], test_labels=labels[60:],
    )

arms = {p: Arm(policy=p, max_lr=0.1) for p in ("one_cycle", "constant")}
"""
MODEL = """
from torch import nn

class Net(nn.Module):
    def __init__(self, *, input_shape, classes, dropout):
        super().__init__()
        self.layer = nn.Linear(input_shape[0], classes)

    def forward(self, x):
        return self.layer(x)
"""
STUDY = """
study = Study(
    name="cells", base=Trial(dataset="mine", model="net", batch_size=20), arms=arms,
    budget=iterations(3), seeds=1, datasets={"mine": load}, models={"net": Net},
)
"""
RUN = """
summary = study.run(STORE, local=True, progress=False).summary
print(summary.trained, summary.found, len(summary.failed))
"""


class Kernel:
    def __init__(self, client: BlockingKernelClient) -> None:
        self._client = client

    def __call__(self, cell: str) -> str:
        """Run a cell; what it prints, or its error."""
        printed: list[str] = []

        def note(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream" and content["name"] == "stdout":
                printed.append(content["text"])
            if message["msg_type"] == "error":
                printed.append(f"{content['ename']}: {content['evalue']}")

        self._client.execute_interactive(cell, output_hook=note, timeout=600)
        return "".join(printed).strip()


@pytest.fixture
def run_cell() -> Any:
    manager = KernelManager()
    assert manager.kernel_spec is not None
    manager.kernel_spec.argv[0] = sys.executable
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=600)
    yield Kernel(client)
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_a_study_made_in_cells_is_trained_and_an_edited_model_is_trained_again(
    run_cell: Kernel, tmp_path: Path
) -> None:
    run_cell(f"STORE = {str(tmp_path / 'store')!r}")
    for cell in (DATA, MODEL, STUDY):
        assert run_cell(cell) == ""
    assert run_cell(RUN) == "2 0 0"
    assert run_cell(MODEL + STUDY + RUN) == "0 2 0"  # the same model in another cell
    edited = MODEL.replace("self.layer(x)", "2 * self.layer(x)") + STUDY
    assert "replace=True" in run_cell(edited + RUN)  # the name would stand for two models
    assert run_cell(edited + RUN.replace("STORE", "STORE, replace=True")) == "2 0 0"
    assert "whose source can be read" in run_cell(f"exec({MODEL!r})\n" + STUDY + "study.plan()")


ON_RAY = """
import ray

ray.init(ADDRESS, log_to_driver=False, logging_level="error")
result = study.run(STORE, progress=False)
print(result.summary.trained, ray.is_initialized())
ray.shutdown()
"""
LOOK = """
frame = study.results(STORE).compare()
print(list(frame["arm"]), list(frame["baseline"]))
"""
PLOT = """
from superconv_ray import lr_find

found = lr_find(
    model=Net, data=load, batch_size=20, steps=30, points=10, seeds=1,
    store=STORE, local=True, progress=False,
)
print(type(found.plot()).__name__, found.verdict)
"""


def test_what_is_defined_in_cells_runs_on_ray_is_compared_and_has_its_rates_plotted(
    run_cell: Kernel, tmp_path: Path, ray_address: str
) -> None:
    run_cell(f"STORE, ADDRESS = {str(tmp_path / 'store')!r}, {ray_address!r}")
    for cell in (DATA, MODEL, STUDY):
        assert run_cell(cell) == ""
    assert run_cell(ON_RAY) == "2 True"
    assert run_cell(RUN) == "0 2 0"
    assert run_cell(LOOK) == "['one_cycle'] ['constant']"
    chart, verdict = run_cell(PLOT).split(maxsplit=1)
    assert chart == "VConcatChart"
    assert verdict in get_args(Verdict)
