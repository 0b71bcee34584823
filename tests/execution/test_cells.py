"""Models and data defined in a notebook's cell, or in a script itself, under real Ray."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from superconv_ray import open_store

PATIENCE = 600
"""Seconds that a test waits for another process."""

OWN = """
import numpy as np
from torch import nn
from superconv_ray import Arm, Dataset, Study, Trial, iterations

SIZE = 4  # a global of the cell, which travels with the model

class Net(nn.Module):
    def __init__(self, *, input_shape, classes, dropout):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(SIZE * SIZE, classes))

    def forward(self, x):
        return self.layers(x)

def squares():
    labels = np.arange(200) % 2
    inputs = np.random.default_rng(0).integers(0, 90, (200, SIZE, SIZE, 1), dtype=np.uint8)
    inputs += (100 * labels[:, None, None, None]).astype(np.uint8)
    return Dataset(
        train_inputs=inputs[:160], train_labels=labels[:160],
        test_inputs=inputs[160:], test_labels=labels[160:],
    )

study = Study(
    name="own",
    base=Trial(dataset="squares", model="net", data_count=100, batch_size=20),
    arms={"constant": Arm(policy="constant", max_lr=0.1)},
    budget=iterations(20),
    seeds=2,
    models={"net": Net},
    datasets={"squares": squares},
)
"""


def assert_both_trained(store_uri: str) -> None:
    trials = open_store(store_uri).trials("own")
    assert trials["status"].tolist() == ["completed", "completed"]
    assert set(trials["model"]) == {"net"}


def test_a_notebook_runs_what_its_cells_define_and_shows_a_bar(
    ray_address: str, store_uri: str
) -> None:
    run = f"result = study.run(store={store_uri!r}, address={ray_address!r})"
    cells = [nbformat.v4.new_code_cell(text) for text in (OWN, run)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    waits = {"timeout": PATIENCE, "startup_timeout": PATIENCE}
    NotebookClient(notebook, kernel_name="python3", **waits).execute()
    assert_both_trained(store_uri)
    outputs = [output["data"] for output in notebook.cells[1].outputs if "data" in output]
    (bar,) = [data for data in outputs if "trials done" in data["text/html"]]  # one, in place
    assert "2 of 2 trials done" in bar["text/html"]
    assert "100%" in bar["text/plain"]


def test_a_script_runs_what_it_defines_itself(
    ray_address: str, store_uri: str, tmp_path: Path
) -> None:
    script = tmp_path / "own_study.py"
    script.write_text(OWN + "\nfrom superconv_ray import main\nmain(study)\n")
    command = [sys.executable, str(script), "run", "--store", store_uri, "--address", ray_address]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert_both_trained(store_uri)
