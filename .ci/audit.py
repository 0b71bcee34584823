"""Audit the packages that users install for known vulnerabilities, at the lowest versions too.

    python .ci/audit.py

Exits with 1 if there is a finding that is not in ALLOWED. Where no vulnerability service can be
reached, the last line says that nothing was audited.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ALLOWED = {
    "CVE-2025-2953": "torch < 2.7.1 crashes at an argument of mkldnn_max_pool2d that we never give",
    "CVE-2025-3730": "torch < 2.8 crashes in ctc_loss, which nothing here calls",
    "CVE-2025-3000": "torch.jit.script of code that is an attacker's; nothing here calls it",
    "PYSEC-2026-139": "torch.export's .pt2 files, which nothing here reads",
    "PYSEC-2025-203": "torch < 2.9 crashes in linalg.lu, which nothing here calls",
    "PYSEC-2025-204": "torch < 2.9 crashes when rot90 is compiled; nothing here is compiled",
    "PYSEC-2025-206": "torch < 2.9 casts NaN wrongly when compiled; nothing here is compiled",
}
"""Vulnerabilities that do not apply here, and why; also under any of their other names."""

SERVICES = ("pypi", "osv")
ROOT = Path(__file__).parents[1]


def requirements() -> Iterator[Requirement]:
    """What the package and its report require, without the package itself."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for written in (*project["dependencies"], *project["optional-dependencies"]["report"]):
        yield Requirement(written)


def lowest() -> list[str]:
    """Every requirement at the lowest version that pyproject.toml allows."""
    return [
        f"{requirement.name}=={clause.version}"
        for requirement in requirements()
        for clause in requirement.specifier
        if clause.operator == ">="
    ]


def installed() -> list[str]:
    """Every requirement at the version that is installed here."""
    names = [requirement.name for requirement in requirements()]
    return [f"{name}=={version(name).partition('+')[0]}" for name in names]


def audited(pins: Iterable[str], service: str) -> list[dict[str, Any]] | None:
    """Ask a service about packages; None if it cannot be reached or does not know them."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(pins))
        file.flush()
        command = [
            sys.executable,
            "-m",
            "pip_audit",
            "--requirement",
            file.name,
            "--no-deps",
            "--disable-pip",
        ]
        command += ["--format", "json", "--progress-spinner", "off", "--vulnerability-service"]
        run = subprocess.run([*command, service], capture_output=True, text=True, check=False)
    try:
        answers: list[dict[str, Any]] = json.loads(run.stdout)["dependencies"]
    except ValueError:
        return None
    known = [answer for answer in answers if "vulns" in answer]
    return known if len(known) == len(answers) else None


def findings(answers: Iterable[dict[str, Any]]) -> Iterator[str]:
    """A line for each vulnerability that is not allowed."""
    for package in answers:
        for found in package["vulns"]:
            if not {found["id"], *found["aliases"]} & ALLOWED.keys():
                fixed = ", ".join(found["fix_versions"]) or "no version"
                name = f"{package['name']} {package['version']}"
                yield f"{name}: {found['id']} ({', '.join(found['aliases'])}), fixed in {fixed}"


def main() -> int:
    """Audit with the first service that answers."""
    if find_spec("pip_audit") is None:
        sys.exit("pip-audit is not installed; pip install -e '.[dev]' does it")
    # One package first: a service that is out of reach is not asked for all of them.
    service = next((s for s in SERVICES if audited(lowest()[:1], s) is not None), None)
    answers = [audited(pins, service) for pins in (lowest(), installed())] if service else [None]
    if None in answers:
        print("NOT AUDITED: no vulnerability service can be reached from here")
        return 0
    lines = sorted({line for answer in answers for line in findings(answer or [])})
    print(*lines, f"audited with {service}: {len(lines)} findings", sep="\n")
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main())
