"""Tables of the saved figures, in Markdown: a short one and a long one.

`python -m benchmarks.tables` puts the short one into the README.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.recording import records

README = Path(__file__).parents[1] / "README.md"
BEGIN = "<!-- Made by `python -m benchmarks.tables` from benchmarks/results/. -->"
END = "<!-- End of the table. -->"
SHORT = {
    "training_loop": ("speed of the training loop, ResNet-20, batch 128",),
    "study_overhead": ("wall time that a trial of 50 ms takes on top of its training, 2 slots",),
    "store": ("`trials()` of 10,000 trials", "`curves()` of 1,000,000 rows"),
    "startup": ("`import superconv_ray`", "`plan` of the quickstart"),
    "demo": ("quickstart study, first run",),
    "chaos": ("trials lost, duplicated or changed by 200 random kills",),
}
"""Benchmark -> figures that the README shows."""


def number(figure: dict[str, Any]) -> str:
    """A figure's values with their unit, such as ``0.97x, 0.98x`` or ``20 ms``."""
    value, unit = figure["value"], figure["unit"]
    values = value if isinstance(value, list) else [value]
    separator = "" if unit in ("", "x") else " "
    return ", ".join(f"{one:,.10g}{separator}{unit}" for one in values)


def source(record: dict[str, Any]) -> str:
    """When a record was measured, and on what."""
    return f"{record['date']}, {record['cores']} cores of {record['processor']}"


def versions(record: dict[str, Any]) -> str:
    """Python and the packages that a record was measured with."""
    return ", ".join(f"{name} {version}" for name, version in record["versions"].items())


def table(figures: list[dict[str, Any]]) -> list[str]:
    """Rows of Markdown, headings included."""
    rows = [f"| {f['what']} | {number(f)} | {f['next_to']} |" for f in figures]
    return ["| what | measured | relative to |", "|---|---|---|", *rows]


def long_table() -> str:
    """Every saved figure, grouped by benchmark."""
    lines = []
    for name, record in records().items():
        if record["figures"]:
            lines += [f"## {name.replace('_', ' ').capitalize()}", "", *saved(name)]
    return "\n".join(lines)


def saved(name: str) -> list[str]:
    """Lines of Markdown: a benchmark's figures, and how they were measured."""
    record = records()[name]
    note = [record["note"], ""] if "note" in record else []
    measured = f"`benchmarks/{name}.py`; {source(record)}; {versions(record)}."
    return [measured, "", *table(record["figures"]), "", *note]


def saved_columns(name: str, what: str, counts: Sequence[int]) -> list[str]:
    """Lines of Markdown: figures that have a number for each of these numbers of seeds."""
    record = records()[name]
    head = [what, *(f"{count} seeds" for count in counts)]
    rows = [[f["what"], *(f"{value:.1f}" for value in f["value"])] for f in record["figures"]]
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
    return [f"`python -m benchmarks.{name} --save`; {source(record)}.", "", *lines, ""]


def short_table() -> str:
    """The README's table; the figures of one row's record share date and processor."""
    saved = records()
    rows = ["| what | measured | relative to | when, where |", "|---|---|---|---|"]
    for name, shown in SHORT.items():
        figures = {figure["what"]: figure for figure in saved[name]["figures"]}
        for what in shown:
            figure = figures[what]
            cells = (what, number(figure), figure["next_to"], source(saved[name]))
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join([BEGIN, "", *rows, "", END])


def with_short_table(text: str) -> str:
    """The README's text with the table that the saved figures give."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + short_table() + after


def main() -> None:
    text = README.read_text(encoding="utf-8")
    README.write_text(with_short_table(text), encoding="utf-8")


if __name__ == "__main__":
    main()
