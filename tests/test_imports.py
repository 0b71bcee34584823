from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "superconv_ray"
HEAVY = ("torch", "torchvision", "ray", "pandas", "pyarrow", "numpy", "scipy", "sklearn", "optuna")

# From the bottom up: what each module may import of the package, lazily and for types included.
# A module imports only what stands above it in this table. "" is the package itself.
ALLOWED: dict[str, set[str]] = {
    "schedules": set(),
    "outcome": set(),
    "tables": set(),
    "wording": set(),
    "files": set(),
    "lease": {"files"},
    "data": set(),
    "data.allocation": set(),
    "data.seeds": set(),
    "data.catalog": {"data.allocation"},
    "data.dataset": {"data.catalog"},
    "data.subsets": {"data.allocation"},
    "data.readers": {"data.catalog", "data.dataset", "data.subsets"},
    "data.batches": {"data.catalog", "data.dataset", "data.seeds"},
    "models": {"wording"},
    "models.ghost_batch_norm": set(),
    "models.lenet": set(),
    "models.resnet": set(),
    "models.small_cnn": set(),
    "trial": {"schedules", "data.catalog", "wording"},
    "study": {"trial", "models", "data.allocation", "data.catalog", "data.dataset"},
    "plan": {
        *("schedules", "trial", "study", "models", "wording"),
        *("data.allocation", "data.catalog", "data.dataset"),
    },
    "analysis": set(),
    "analysis.range_test": set(),
    "analysis.intervals": set(),
    "analysis.sequential": {"analysis.intervals"},
    "analysis.paired": {"analysis.intervals"},
    "analysis.verdicts": {"analysis.paired"},
    "analysis.replicates": {"analysis.intervals", "wording"},
    "analysis.comparison": {
        *("analysis.intervals", "analysis.sequential", "analysis.replicates"),
        *("analysis.paired", "analysis.verdicts"),
    },
    "analysis.trend": {"analysis.comparison", "analysis.intervals", "analysis.replicates"},
    "analysis.lr_rules": set(),
    "analysis.range_test_tables": {"analysis.lr_rules", "analysis.range_test"},
    "analysis.calibration": {
        *("analysis.intervals", "analysis.range_test_tables", "analysis.replicates"),
    },
    "analysis.decision": {"analysis.replicates", "analysis.verdicts"},
    "analysis.optimum": {"analysis.intervals", "analysis.replicates"},
    "analysis.timing": set(),
    "analysis.reach": {"analysis.intervals", "analysis.replicates"},
    "analysis.power_law": {"analysis.intervals"},
    "analysis.scaling": {
        *("analysis.intervals", "analysis.power_law", "analysis.reach", "analysis.replicates"),
    },
    "analysis.speedup": {"analysis.comparison", "analysis.intervals", "analysis.reach"},
    "analysis.learning_curves": {"analysis.intervals", "analysis.replicates"},
    "analysis.batch_norm": {"analysis.replicates"},
    "analysis.search": {"analysis.replicates"},
    "analysis.schedule_table": {"schedules", "analysis.replicates"},
    "tuning": {"study", "trial"},
    "choosing": {"trial", "study", "plan", "outcome", "tuning", "analysis.range_test"},
    "planner": {"trial", "study", "plan", "outcome", "choosing", "analysis.sequential"},
    "hessian_free": set(),
    "training": {
        *("trial", "outcome", "models", "models.ghost_batch_norm", "hessian_free"),
        *("data.batches", "data.catalog", "data.dataset", "data.seeds", "data.subsets"),
    },
    "schema": {"trial"},
    "store": {"files", "schema", "outcome", "trial"},
    "results": {"store", "analysis.comparison", "analysis.trend"},
    "summary": {
        *("store", "results", "tables", "wording", "analysis.sequential"),
        *("analysis.comparison", "analysis.verdicts"),
    },
    "execution": set(),
    "execution.deaths": set(),
    "execution.interruption": set(),
    "execution.memory": set(),
    "execution.room": set(),
    "execution.recorded": {"choosing", "outcome", "plan", "store"},
    "execution.progress": {"files", "outcome", "planner", "trial", "wording"},
    "execution.worker": {
        *("", "files", "trial", "outcome", "store", "training"),
        *("data.batches", "data.dataset"),
        *("execution.deaths", "execution.interruption", "execution.memory"),
    },
    "execution.local": {
        *("planner", "trial"),
        *("execution.interruption", "execution.progress", "execution.worker"),
    },
    "execution.connection": set(),
    "execution.packing": {"trial", "outcome", "execution.room"},
    "execution.doctor": set(),
    "execution.doctor.facts": set(),
    "execution.doctor.checks": {"files", "execution.doctor.facts"},
    "execution.doctor.text": {
        *("tables", "execution.doctor.facts", "execution.doctor.checks"),
    },
    "execution.doctor.node": {"", "files", "training", "execution.doctor.facts"},
    "execution.doctor.collection": {
        *("files", "data.dataset", "data.readers", "execution.connection"),
        *("execution.doctor.facts", "execution.doctor.checks", "execution.doctor.node"),
    },
    "execution.shipping": set(),
    "execution.trainable": {"store", "trial", "execution.room", "execution.worker"},
    "execution.ray_tune": {
        *("planner", "trial", "outcome", "store", "data.dataset"),
        *("execution.connection", "execution.deaths", "execution.interruption"),
        *("execution.progress", "execution.recorded", "execution.room"),
        *("execution.trainable", "execution.worker"),
        *("execution.doctor.collection", "execution.packing", "execution.shipping"),
    },
    "execution.session": {
        *("", "study", "plan", "planner", "training"),
        *("files", "lease", "store", "data.dataset", "data.readers"),
        *("execution.progress", "execution.recorded", "execution.worker"),
        *("execution.local", "execution.ray_tune"),
    },
    "watch": {"store", "tables", "wording", "analysis.comparison", "execution.progress"},
    "report": set(),
    "report.content": set(),
    "report.theme": set(),
    "report.pictures": {"report", "report.theme"},
    "report.charts.parts": {"report", "report.theme", "wording"},
    "report.charts.comparing": {"report.charts.parts", "analysis.verdicts"},
    "report.charts.running": {"report.charts.parts"},
    "report.charts.rates": {
        *("report", "report.theme", "report.charts.parts"),
        *("analysis.intervals", "analysis.range_test_tables"),
    },
    "report.charts.normalisation": {"report", "report.theme", "report.charts.parts"},
    "report.charts.reaching": {"report", "report.theme", "report.charts.parts"},
    "report.charts.settings": {"report", "report.theme", "report.charts.parts", "wording"},
    "report.charts": {
        *("report.charts.comparing", "report.charts.normalisation", "report.charts.rates"),
        *("report.charts.reaching", "report.charts.running", "report.charts.settings"),
    },
    "report.verdict": {
        *("results", "wording", "analysis.comparison", "analysis.intervals", "analysis.trend"),
        "analysis.verdicts",
    },
    "report.paper_tables": {
        *("results", "wording", "analysis.comparison", "analysis.sequential"),
    },
    "report.sections.layout": {"results"},
    "report.sections.compared": {
        *("results", "wording", "report", "report.charts", "report.content"),
        *("report.sections.layout", "analysis.comparison", "analysis.decision"),
        "analysis.sequential",
    },
    "report.sections.swept": {
        *("results", "report", "report.charts", "report.content", "report.sections.layout"),
        *("analysis.comparison", "analysis.optimum", "analysis.scaling", "analysis.speedup"),
    },
    "report.sections.trained": {
        *("results", "trial", "report", "report.charts", "report.content"),
        *("report.charts.running", "report.sections.layout", "analysis.batch_norm"),
        *("analysis.learning_curves", "analysis.schedule_table"),
    },
    "report.sections.chosen": {
        *("results", "wording", "report", "report.charts", "report.content"),
        *("report.sections.layout", "analysis.calibration", "analysis.range_test_tables"),
        "analysis.search",
    },
    "report.sections": {
        *("results", "report.content", "report.sections.chosen", "report.sections.compared"),
        *("report.sections.swept", "report.sections.trained"),
    },
    "report.build": {
        *("results", "store", "trial", "wording"),
        *("report.content", "report.sections", "report.verdict"),
    },
    "report.page": {"report", "report.theme", "report.content"},
    "report.live": set(),
    "report.export": {"results", "report.paper_tables", "report.pictures", "report.sections"},
    "mistakes": {"files"},
    "report.commands": {
        *("mistakes", "results", "store"),
        *("report.build", "report.export", "report.live", "report.page"),
    },
    "lr_find": {
        *("trial", "study", "plan", "store", "tables", "report.charts", "report.pictures"),
        "analysis.range_test_tables",
    },
    "cli": {
        *("study", "plan", "planner", "store", "summary", "tables", "watch", "lr_find", "mistakes"),
        *("execution.session", "execution.recorded", "report.pictures", "report.commands"),
        *("execution.doctor.checks", "execution.doctor.collection", "execution.doctor.text"),
    },
    "": {"study", "trial", "cli", "store", "data.dataset"},
}
FOR_ITS_VERSION = {
    ("execution.worker", ""),
    ("execution.session", ""),
    ("execution.doctor.node", ""),
}
"""Results note the version of the package, which stands at its top."""

PLANNING = (
    *("", "schedules", "outcome", "tables", "wording", "trial", "study", "plan", "models"),
    *("data", "data.allocation", "data.seeds", "data.catalog"),
)


def modules() -> dict[str, Path]:
    """Name inside the package to file."""
    folder = ROOT / PACKAGE
    found = {}
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names of what is imported anywhere in a module; ``from a import b`` is a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(path: Path) -> set[str]:
    """Modules of the package that a file imports."""
    known = modules()
    found = set()
    for name in imports(ast.parse(path.read_text())):
        package, _, rest = name.partition(".")
        if package == PACKAGE:
            # the longest part that is a module; the rest is a name in it
            parts = rest.split(".")
            prefixes = [".".join(parts[:length]) for length in range(len(parts), -1, -1)]
            found.add(next(prefix for prefix in prefixes if prefix in known))
    return found


def at_import(tree: ast.Module) -> ast.Module:
    """What a module runs when it is imported: without functions and without types' imports."""

    class Runs(ast.NodeTransformer):
        def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
            """Left out."""

        def visit_If(self, node: ast.If) -> ast.If | None:
            return None if ast.unparse(node.test) == "TYPE_CHECKING" else node

    run: ast.Module = Runs().visit(tree)
    return run


def test_every_module_has_its_place() -> None:
    assert set(modules()) == set(ALLOWED)


def test_the_table_points_down() -> None:
    order = list(ALLOWED)
    for position, (module, allowed) in enumerate(ALLOWED.items()):
        below = {name for name in allowed if (module, name) not in FOR_ITS_VERSION}
        assert below <= set(order[:position]), module


@pytest.mark.parametrize("module", ALLOWED)
def test_a_module_imports_only_what_is_below_it(module: str) -> None:
    assert own_imports(modules()[module]) <= ALLOWED[module]


def test_an_import_upwards_is_noticed(tmp_path: Path) -> None:
    upward = tmp_path / "trial.py"
    upward.write_text("def late():\n    from superconv_ray.execution import session\n")
    assert own_imports(upward) == {"execution.session"}
    upward.write_text("from superconv_ray import schedules, __version__")
    assert own_imports(upward) == {"schedules", ""}
    upward.write_text("import superconv_ray.data.catalog as catalog")
    assert own_imports(upward) == {"data.catalog"}


def test_only_the_execution_on_a_cluster_knows_ray() -> None:
    knowing = {
        module
        for module, path in modules().items()
        for name in imports(ast.parse(path.read_text()))
        if name.split(".")[0] == "ray"
    }
    assert knowing == {
        "execution.connection",
        "execution.doctor.collection",
        "execution.ray_tune",
        "execution.room",
        "execution.shipping",
        "execution.trainable",
    }


@pytest.mark.parametrize("module", PLANNING)
def test_what_a_plan_needs_is_made_of_the_standard_library(module: str) -> None:
    tree = at_import(ast.parse(modules()[module].read_text()))
    foreign = {name.split(".")[0] for name in imports(tree)} - sys.stdlib_module_names
    assert foreign <= {PACKAGE}


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
    assert loaded("import superconv_ray.analysis.sequential") == ["numpy", "scipy"]


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
