"""What importing the package costs, and what it offers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import superconv_ray

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "torchvision", "ray", "pandas", "pyarrow", "numpy", "scipy", "sklearn", "optuna")


def loaded(code: str) -> list[str]:
    """Which heavy packages a fresh Python has imported after running some code."""
    show = f"print(*(name for name in {HEAVY} if name in sys.modules), file=sys.stderr)"
    command = [sys.executable, "-c", f"import sys\n{code}\n{show}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stderr.split()


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert loaded("import superconv_ray") == []
    assert loaded("from superconv_ray import *") != []  # the probe sees what there is to see


def test_whether_seeds_are_enough_is_decided_with_numpy_and_scipy_alone() -> None:
    assert loaded("import superconv_ray.analysis.statistics.sequential") == ["numpy", "scipy"]


def test_digits_are_read_without_scikit_learn() -> None:
    code = "from superconv_ray.data.readers import load_dataset; load_dataset('digits')"
    assert "sklearn" not in loaded(code)
    assert "scipy" not in loaded(code)


RUN_PLAN = """
import runpy
sys.argv = ["studies/quickstart.py", "plan"]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
"""


def test_planning_a_study_imports_nothing_heavy() -> None:
    assert loaded(RUN_PLAN) == []


SEARCH = """
from superconv_ray import Arm, Study, Trial, Tuning, iterations, tuned
from superconv_ray.design.building import make_plan
from superconv_ray.planning.planner import Planner

study = Study(
    name="x",
    base=Trial(dataset="digits", batch_size=4),
    arms={"a": Arm(policy="linear", max_lr=tuned(0.1, 1.0))},
    budget=iterations(4),
    tuning=Tuning(trials=2, sampler=SAMPLER),
)
planner = Planner(make_plan(study))
assert planner.next()
"""


@pytest.mark.parametrize("sampler", ["even", "tpe"])
def test_optuna_is_imported_only_if_a_study_asks_for_it(sampler: str) -> None:
    found = loaded(SEARCH.replace("SAMPLER", repr(sampler)))
    assert ("optuna" in found) == (sampler != "even")


def test_the_quickstart_plans_its_study() -> None:
    done = subprocess.run(
        [sys.executable, "studies/quickstart.py", "plan"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    # For 2 numbers of labels: 5 range tests of 200 steps, and 3 x 5 trainings of 25 + 75 + 300
    assert "18 cells, 100 trials (10 range tests, 90 trainings), 14,000 steps" in done.stdout


# The public names


@pytest.mark.parametrize("name", superconv_ray.__all__)
def test_every_public_name_is_found(name: str) -> None:
    assert name in dir(superconv_ray)
    assert getattr(superconv_ray, name) is not None


def test_the_public_names_are_sorted_and_documented() -> None:
    assert superconv_ray.__all__ == sorted(superconv_ray.__all__, key=_as_ruff_sorts)
    for name in superconv_ray.__all__:
        found = getattr(superconv_ray, name)
        assert isinstance(found, Mapping) or (found.__doc__ or "").strip(), name


def _as_ruff_sorts(name: str) -> tuple[int, str]:
    """Constants first, then classes, then functions."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def test_tab_completion_imports_nothing_heavy() -> None:
    assert loaded("import superconv_ray; dir(superconv_ray)") == []


def test_an_unknown_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'studdy'"):
        _ = superconv_ray.studdy
