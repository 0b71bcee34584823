from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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


def test_the_quickstart_plans_its_study() -> None:
    done = subprocess.run(
        [sys.executable, "studies/quickstart.py", "plan"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    # 4 points: 5 range tests of 100 steps and 2 x 5 trainings of 300 steps at each
    assert "8 cells, 60 trials (20 range tests, 40 trainings), 14,000 steps" in done.stdout
