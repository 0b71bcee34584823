"""Start-up time: `import superconv_ray`, and `plan` of the quickstart study.

    python -m benchmarks.startup [--rounds 15]

Whole processes are timed from start to exit, next to `python -c pass`, which shows the time of the
interpreter itself. The three run in interleaved rounds, so that other work on the machine affects
them equally. Below the table are the slowest imports of `plan`, each without the modules that it
imports.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.recording import Figure, add_save_flag, save
from superconv_ray.design.text import text_table

STUDY = Path(__file__).parents[1] / "studies" / "quickstart.py"
TARGET_SECONDS = 0.3
SLOWEST = 5
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import superconv_ray": ["-c", "import superconv_ray"],
    "quickstart.py plan": [str(STUDY), "plan"],
}


def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True)


def seconds(arguments: list[str]) -> float:
    started = time.perf_counter()
    run(arguments)
    return time.perf_counter() - started


def slowest_imports(arguments: list[str]) -> list[tuple[int, str]]:
    """Return the microseconds spent in each module itself and its name, slowest first."""
    report = run(["-X", "importtime", *arguments]).stderr.splitlines()
    lines = [line.removeprefix("import time:").split("|") for line in report]
    timed = [(line[0].strip(), line[2].strip()) for line in lines if len(line) == 3]
    modules = [(int(own), name) for own, name in timed if own.isdigit()]
    return sorted(modules, reverse=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15)
    add_save_flag(parser)
    arguments = parser.parse_args()
    for command in COMMANDS.values():
        run(command)  # compiles to byte code, once per installation
    rounds = [[seconds(command) for command in COMMANDS.values()] for _ in range(arguments.rounds)]
    rows = []
    bare = statistics.median(times[0] for times in rounds)
    for index, name in enumerate(COMMANDS):
        times = [one[index] for one in rounds]
        median = statistics.median(times)
        row = [name, f"{median:.3f}", f"{min(times):.3f}", f"{median - bare:.3f}"]
        if index:
            row += [f"<= {TARGET_SECONDS}", "ok" if median <= TARGET_SECONDS else "MISSED"]
        rows.append(row if index else [*row, "", ""])
    print(f"start-up, whole processes, {arguments.rounds} rounds")
    print(text_table(["", "median s", "min s", "over python", "target", ""], rows))
    imports = slowest_imports(COMMANDS["quickstart.py plan"])
    slow = ", ".join(f"{name} {own / 1000:.1f} ms" for own, name in imports[:SLOWEST])
    total = sum(own for own, _ in imports) / 1000
    print(f"slowest of {len(imports)} imports ({total:.0f} ms together): {slow}")
    heavy = sorted({"torch", "ray", "numpy", "pandas", "pyarrow"} & {name for _, name in imports})
    print(f"heavy packages imported by plan: {', '.join(heavy) or 'none'}")
    if arguments.save:
        _, importing, planning = (statistics.median(times) for times in zip(*rounds, strict=True))
        figures = [Figure("`import superconv_ray`", round(importing, 2), "s")]
        save("startup", [*figures, Figure("`plan` of the quickstart", round(planning, 2), "s")])


if __name__ == "__main__":
    main()
