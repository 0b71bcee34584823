"""The parts of the documentation that are made from the code and from recorded measurements."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from click.testing import CliRunner

from benchmarks.coverage import SEEDS as COVERED_SEEDS
from benchmarks.gpu.report import page
from benchmarks.recording import records
from benchmarks.tables import long_table, saved, saved_columns, source
from superconv_ray import analysis
from superconv_ray.cli.app import app
from superconv_ray.design.schedules import POLICIES, REQUIRED, parameters
from superconv_ray.design.update_rules import OPTIMIZERS
from superconv_ray.report import charts
from superconv_ray.storage import schema

TABLES = {"trials": schema.TRIALS, "curves": schema.CURVES, "studies": schema.MEMBERSHIPS}
TYPES = {
    "string": "text",
    "binary": "bytes",
    "int64": "integer",
    "double": "float",
    "bool": "true or false",
    "list<item: double>": "list of float",
    "list<element: double>": "list of float",
    "list<item: int64>": "list of integer",
    "list<element: int64>": "list of integer",
    "list<item: string>": "list of text",
    "list<element: string>": "list of text",
    "timestamp[us, tz=UTC]": "timestamp, UTC",
}


def schema_table(table: pa.Schema) -> str:
    """Name, type and meaning of every column of a table, as Markdown."""
    rows = [
        f"| `{column.name}` | {TYPES[str(column.type)]} "
        f"| {column.metadata[b'description'].decode()} |"
        for column in table
    ]
    return "\n".join(["| column | type | meaning |", "|---|---|---|", *rows, ""])


def analysis_functions() -> str:
    """Every public function of `superconv_ray.analysis`, grouped by the question it answers."""
    rooms: dict[str, list[str]] = {}
    for name in analysis.__all__:
        room = getattr(analysis, name).__module__.removeprefix("superconv_ray.analysis.")
        rooms.setdefault(room.partition(".")[0], []).append(name)
    lines = []
    for module in pkgutil.iter_modules(analysis.__path__):
        if names := rooms.get(module.name):
            question = importlib.import_module(f"superconv_ray.analysis.{module.name}").__doc__
            lines += [f"## {module.name.replace('_', ' ').capitalize()}", "", question or "", ""]
            lines += autodoc("superconv_ray.analysis", names)
    return "\n".join(lines)


def chart_functions() -> str:
    """Every chart."""
    return "\n".join(autodoc("superconv_ray.report.charts", charts.__all__))


def autodoc(module: str, names: list[str]) -> Iterator[str]:
    """Directives that show functions or classes by their public names."""
    for name in names:
        found = getattr(importlib.import_module(module), name)
        kind = "autoclass" if isinstance(found, type) else "autofunction"
        yield from ("```{eval-rst}", f".. {kind}:: {module}.{name}", "```", "")


def command_line() -> str:
    """The help of every command, as the program prints it."""
    lines = []
    for name in sorted(app.commands):
        shown = CliRunner().invoke(app, [name, "--help"], prog_name="superconv", terminal_width=88)
        if shown.exit_code:
            raise RuntimeError(f"superconv {name} --help: {shown.output}") from shown.exception
        lines += [f"## superconv {name}", "", "```text", shown.output.rstrip(), "```", ""]
    return "\n".join(lines)


def printed(benchmark: str, title: str) -> str:
    """What a program printed when its benchmark was saved.

    Args:
        benchmark: Name of its record.
        title: What comes first, followed by when it was measured and on what.
    """
    record = records()[benchmark]
    lines = [f"{title} {source(record)}:", "", "```text", *record["output"], "```", ""]
    return "\n".join(lines)


def policies() -> str:
    """What each policy does, and its settings with their defaults, as Markdown."""
    rows = []
    for name, policy in POLICIES.items():
        summary = (policy.__doc__ or "").partition("\n")[0]
        settings = ", ".join(
            f"`{setting}`" + ("" if default is REQUIRED else f" {default}")
            for setting, default in parameters(name).items()
        )
        rows.append(f"| `{name}` | {summary} | {settings} |")
    return "\n".join(
        ["| policy | what it does | settings and defaults |", "|---|---|---|", *rows, ""]
    )


def optimizers() -> str:
    """What each optimizer makes of the settings of a trial, as Markdown."""
    rows = [
        f"| `{name}` | {facts.momentum or 'not used'} | {facts.beta2 or 'not used'} "
        f"| {facts.weight_decay} |"
        for name, facts in OPTIMIZERS.items()
    ]
    head = ["| optimizer | `momentum` is | default `beta2` | `weight_decay` |", "|---|---|---|---|"]
    return "\n".join([*head, *rows, ""])


def write_pages(folder: Path) -> None:
    """Write all generated parts; a file that would not change is left alone.

    Args:
        folder: Where the pages include them from.
    """
    pages = {f"{name}.md": schema_table(table) for name, table in TABLES.items()}
    pages |= {
        "analysis.md": analysis_functions(),
        "charts.md": chart_functions(),
        "command_line.md": command_line(),
        "benchmarks.md": long_table(),
        "calibration.md": printed(
            "calibration", "`python -m benchmarks.calibration --save`, run on"
        ),
        "quickstart.md": printed("quickstart", "This is what it printed on"),
        "range_test_reading.md": printed(
            "range_test_reading", "`python -m benchmarks.range_test_reading --save`, run on"
        ),
        "verdicts.md": printed("verdicts", "`python -m benchmarks.verdicts --save`, run on"),
        "policies.md": policies(),
        "optimizers.md": optimizers(),
        "coverage.md": "\n".join(saved_columns("coverage", "interval; runs", COVERED_SEEDS)),
        "search_replay.md": "\n".join(saved("search_replay")),
        "gpu.md": page(records().get("gpu")),
        "interruptions.md": "\n".join([*saved("faults"), *saved("chaos")]),
    }
    folder.mkdir(exist_ok=True)
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
