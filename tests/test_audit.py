"""The audit of requirements in .ci/: what it finds, what it lets pass, and where it is blind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SERVICE = """
import json, pathlib, sys
answers = json.loads({answers!r})
if sys.argv[-1] not in answers:
    sys.exit("ServiceError: unreachable")
pins = pathlib.Path(sys.argv[sys.argv.index("--requirement") + 1]).read_text().split()
known = answers[sys.argv[-1]]
print(json.dumps({{"dependencies": [
    {{"name": name, "version": version, **known.get(f"{{name}}=={{version}}", known["*"])}}
    for name, version in (pin.split("==") for pin in pins)
]}}))
"""
CLEAN: dict[str, Any] = {"vulns": []}
UNKNOWN = {"skip_reason": "Dependency not found"}


def audit(folder: Path, answers: dict[str, Any]) -> tuple[int, list[str]]:
    """Run it with a pip-audit that gives these answers, by service and pin; "*": any other pin."""
    (folder / "pip_audit.py").write_text(SERVICE.format(answers=json.dumps(answers)))
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, str(ROOT / ".ci/audit.py")]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert not run.stderr
    return run.returncode, run.stdout.splitlines()


def vulnerable(name: str, *aliases: str) -> dict[str, Any]:
    return {"vulns": [{"id": name, "aliases": list(aliases), "fix_versions": ["9.9"]}]}


def test_nothing_known_is_told_with_the_service_that_knows_nothing(tmp_path: Path) -> None:
    assert audit(tmp_path, {"pypi": {"*": CLEAN}}) == (0, ["audited with pypi: 0 findings"])


def test_a_vulnerability_of_a_lowest_version_fails(tmp_path: Path) -> None:
    known = {"*": CLEAN, "numpy==1.26": vulnerable("GHSA-1", "CVE-1")}
    assert audit(tmp_path, {"pypi": known}) == (
        1,
        ["numpy 1.26: GHSA-1 (CVE-1), fixed in 9.9", "audited with pypi: 1 findings"],
    )


def test_what_is_allowed_passes_under_any_of_its_names(tmp_path: Path) -> None:
    known = {"*": CLEAN, "torch==2.6": vulnerable("GHSA-2", "CVE-2025-3730")}
    assert audit(tmp_path, {"pypi": known})[0] == 0


def test_another_service_is_asked_where_the_first_knows_no_package(tmp_path: Path) -> None:
    answers = {"pypi": {"*": UNKNOWN}, "osv": {"*": CLEAN}}
    assert audit(tmp_path, answers) == (0, ["audited with osv: 0 findings"])


@pytest.mark.parametrize("answers", [{}, {"pypi": {"*": UNKNOWN}}])
def test_an_audit_that_could_not_be_made_says_so(answers: dict[str, Any], tmp_path: Path) -> None:
    said = ["NOT AUDITED: no vulnerability service can be reached from here"]
    assert audit(tmp_path, answers) == (0, said)
