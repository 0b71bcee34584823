"""The phases of the demo, of which a short study's time mostly consists."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.demo import END, START, TRAINING, seconds_of_phases

ROOT = Path(__file__).parents[1]


def test_the_phases_add_up_to_the_whole_run() -> None:
    marks = [(START, 100.0), ("loading torch", 101.0), (TRAINING, 105.0), (END, 117.0)]
    assert seconds_of_phases(marks, 20.0) == {START: 1, "loading torch": 4, TRAINING: 12, END: 3}


def test_a_phase_that_comes_twice_is_added_up() -> None:
    marks = [("a", 0.0), ("b", 1.0), ("a", 3.0)]
    assert seconds_of_phases(marks, 4.0) == {"a": 2, "b": 2}


def test_the_phases_of_a_run_are_marked_in_order(tmp_path: Path) -> None:
    """With two trials in this process; on Ray there are two phases more."""
    code = (
        "import benchmarks.demo as demo, sys\n"
        "from pathlib import Path\n"
        "run = demo.runpy.run_path\n"
        "def short(*arguments, **named):\n"
        "    sys.argv += ['--local', '--max-trials', '2']\n"
        "    return run(*arguments, **named)\n"
        "demo.runpy.run_path = short\n"
        "demo.run_marked(Path('marks.json'))\n"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,  # trials are left
    )
    marks = json.loads((tmp_path / "marks.json").read_text())
    assert [name for name, _ in marks] == ["loading torch", "loading data", TRAINING, END]
    assert [when for _, when in marks] == sorted(when for _, when in marks)
