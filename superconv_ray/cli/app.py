"""The command line: ``superconv plan|run|status|show STUDY.py`` and ``python STUDY.py plan|...``.

``superconv lr-find [STUDY.py]`` runs LR range tests alone; ``superconv doctor`` looks at a cluster.

Heavy modules are imported by the command that needs them, so that `plan` answers at once.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, get_args, get_origin

import click

from superconv_ray.cli.errors import errors_in_one_line
from superconv_ray.cli.report import export, report
from superconv_ray.design.choices import from_range_test
from superconv_ray.design.plan import Cell, Plan, make_plan, range_tests_alone
from superconv_ray.design.seeds import AtLeast
from superconv_ray.design.study import Study, StudyTables
from superconv_ray.design.text import text_table

if TYPE_CHECKING:
    import pandas as pd

StudySource = Study | Callable[..., Study]
"""A study, or a function that makes one; the function's parameters become flags."""


class _Amount(click.ParamType[float | str]):
    """A number, or "auto"."""

    name = "number|auto"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | str:
        if value == "auto":
            return "auto"
        try:
            return float(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number nor 'auto'", param, ctx)


AMOUNT = _Amount()

store_option = click.option(
    "--store",
    default="results",
    show_default=True,
    help="Path or URI (s3://, gs://, abfs://) of the store.",
)


def plan_command(study: Study) -> int:
    """Check the study and print its cells, trials and steps; nothing is trained."""
    plan = make_plan(study)
    unique = plan.distinct_trials()
    tests = sum(trial.kind == "range_test" for trial in unique)
    searched = study.tuning.trials * study.tuning.replicates
    tuning = [searched if cell.search else 0 for cell in plan.cells]
    steps = sum(trial.steps or 0 for trial in unique)
    rows = []
    for cell, tried in zip(plan.cells, tuning, strict=True):
        first = cell.trainings[0]
        if cell.search:
            steps += tried * (cell.search.templates[0].steps or 0)
        rows.append(
            [
                cell.arm,
                ", ".join(f"{name}={value}" for name, value in cell.point.items()),
                f"{first.data_count:,}",
                f"{first.steps:,}",
                _how_chosen(cell),
                str(len(cell.range_tests) + tried),
                _count(study.first_seeds(), len(cell.trainings)),
            ]
        )
    headings = ["arm", "point", "labels", "steps", "max_lr", "to choose", "trainings"]
    click.echo(f"study {study.name}: {study.question}".rstrip(": "))
    click.echo(text_table(headings, rows))
    click.echo(
        f"{len(plan.cells)} cells, {len(unique) + sum(tuning)} trials ({tests} range tests, "
        + (f"{sum(tuning)} tuning trials, " if any(tuning) else "")
        + f"{len(unique) - tests} trainings), {steps:,} steps"
        + (" at most" if isinstance(study.seeds, AtLeast) else "")
    )
    return 0


def _how_chosen(cell: Cell) -> str:
    if cell.reading:
        return "from range test"
    tuned = ", ".join(cell.search.space) if cell.search else ""
    if cell.search and "max_lr" in cell.search.space:
        return f"tuned ({tuned})" if len(cell.search.space) > 1 else "tuned"
    return f"{cell.trainings[0].max_lr:g}" + (f" (tuned: {tuned})" if tuned else "")


def _count(least: int, most: int) -> str:
    return str(most) if least == most else f"{least}-{most}"


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flags that say where and how trials are run, as `RunOptions` has them."""
    options = (
        store_option,
        click.option(
            "--address", help="Ray cluster; default: this machine's, else a new local one."
        ),
        click.option("--local", is_flag=True, help="In this process, without Ray."),
        click.option("--data-dir", type=Path, help="Folder with the data set's files."),
        click.option("--max-trials", type=int, help="Start at most this many trials."),
        click.option(
            "--cpus-per-trial",
            type=AMOUNT,
            default=1.0,
            help="CPUs, and threads, of a trial. auto: one, and as many trials as memory has room "
            "for.",
        ),
        click.option(
            "--gpus-per-trial",
            type=AMOUNT,
            help="Parts allowed. Default: one each, if there are any. auto: the part that the "
            "first trial of the same shape was measured to need.",
        ),
        click.option(
            "--callback",
            "callbacks",
            multiple=True,
            metavar="MODULE:NAME",
            help="A Ray Tune callback, such as its MLflow logger. May be given several times.",
        ),
        click.option(
            "--checkpoint-seconds",
            default=60.0,
            help="Time between checkpoints of a trial: what a lost worker costs at most.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@run_options
def run_command(study: Study, **where: Any) -> int:
    """Train what is missing of the study; what the store has is not trained again."""
    complete = _run(make_plan(study), where)
    show_command(study, where["store"])
    return 0 if complete else 1


def _run(plan: Plan, where: Mapping[str, Any]) -> bool:
    """Train what is missing and say how it went; whether no trial failed and no cell is blocked."""
    from rich.console import Console

    from superconv_ray.execution.session import RunOptions, run_plan

    summary = run_plan(plan, RunOptions(**where), Console())
    click.echo(
        f"study {plan.study.name}: {summary.trained} trials trained, {summary.found} found in the "
        f"store, {summary.diverged} diverged, {len(summary.failed)} failed, {summary.left} left"
    )
    for reason in summary.blocked:
        click.echo(f"not run: {reason}", err=True)
    return not (summary.failed or summary.blocked)


@store_option
def status_command(study: Study, store: str) -> int:
    """Print how much of the study is done, diverged, failed and left."""
    plan = make_plan(study)

    from superconv_ray.execution.recovery import recorded_outcomes
    from superconv_ray.planning.planner import Planner
    from superconv_ray.storage.store import open_store

    opened = open_store(store)
    planner = Planner(plan, recorded_outcomes(opened, plan))
    counts = Counter(planner.outcomes.values())
    own = {member.trial_id for member in planner.memberships}
    failures = {id_: failure for id_, failure in opened.failures().items() if id_ in own}
    click.echo(
        f"study {study.name} in {opened.files.place}: {planner.total} trials, "
        f"{len(planner.outcomes)} done (of which {counts['diverged']} diverged), "
        f"{len(failures)} failed, {planner.left} left"
    )
    for failure in failures.values():
        lines = [line for line in failure["error"].splitlines() if line.strip()]
        click.echo(f"failed: {' | '.join(lines[-2:])}")  # what was raised, and by which trial
    return 0


@store_option
def show_command(study: Study, store: str) -> int:
    """Print the study's results: every arm with its interval, and the paired gaps."""
    from superconv_ray.report.text import results_text
    from superconv_ray.storage.store import open_store

    opened = open_store(store)
    click.echo(results_text(opened, study.name))
    if study.tables:
        _show_tables(study.tables, opened.trials(study.name), opened.curves(study.name))
    return 0


def _show_tables(tables: StudyTables, trials: pd.DataFrame, curves: pd.DataFrame) -> None:
    """The study's own tables; that a part of its trials does not suffice for them is no error."""
    from superconv_ray.report.text import frame_text

    if "training" not in set(trials["role"]):
        return
    try:
        frames = tables(trials, curves)
    except ValueError as reason:
        click.echo(f"\nthe study's own tables cannot be made of these trials: {reason}")
        return
    for title, frame in frames.items():
        click.echo(f"\n{title}\n{frame_text(frame)}")


COMMANDS: dict[str, Callable[..., int]] = {
    "plan": plan_command,
    "run": run_command,
    "status": status_command,
    "show": show_command,
}


def main(study: StudySource, arguments: list[str] | None = None) -> None:
    """The command line of a study file: put ``main(study)`` at its end.

    Args:
        study: The study, or a function that makes it; its parameters become flags, so that
            ``def study(dataset: str = "digits")`` gives ``--dataset``.
        arguments: Instead of the process's own.
    """
    with errors_in_one_line():
        application = study_app(study)
    application.main(arguments)


def study_app(study: StudySource) -> click.Group:
    """The four commands, bound to a study."""
    application = click.Group(no_args_is_help=True)
    for name, command in COMMANDS.items():
        application.add_command(_bind(name, command, study))
    return application


def _bind(name: str, command: Callable[..., int], source: StudySource) -> click.Command:
    """The command with the study's own parameters as further flags."""
    flags = {} if isinstance(source, Study) else study_flags(source)
    options = list(reversed(getattr(command, "__click_params__", [])))
    if both := sorted(flags.keys() & {option.name for option in options}):
        raise ValueError(f"a study cannot have a parameter {both[0]!r}: it is a flag of {name!r}")

    def bound(**given: Any) -> None:
        with errors_in_one_line():
            own = {flag: given.pop(flag) for flag in flags}
            study = source if isinstance(source, Study) else source(**own)
            code = command(study, **given)
        raise click.exceptions.Exit(code)

    return click.Command(
        name, params=[*flags.values(), *options], callback=bound, help=command.__doc__
    )


def study_flags(source: Callable[..., Study]) -> dict[str, click.Option]:
    """A flag for every parameter of a function that makes a study.

    Raises:
        TypeError: A parameter has no default, or a type that no flag can have.
    """
    kinds = inspect.get_annotations(source, eval_str=True)
    return {
        name: _flag(name, kinds.get(name, str), parameter.default)
        for name, parameter in inspect.signature(source).parameters.items()
    }


def _flag(name: str, kind: Any, default: Any) -> click.Option:
    flag = "--" + name.replace("_", "-")
    if isinstance(kind, UnionType):
        kind = next(arm for arm in get_args(kind) if arm is not type(None))
    many = get_origin(kind) in (list, tuple)
    single = get_args(kind)[0] if many else kind
    if default is inspect.Parameter.empty or single not in (str, int, float, bool, Path):
        raise TypeError(
            f"a study's parameter must have a default and be a str, int, float, bool, Path or a "
            f"list of these, to become a flag; {name!r} is {kind!r}"
        )
    if single is bool:
        return click.Option([f"{flag}/--no-{flag[2:]}"], default=default, show_default=True)
    help_text = "May be given several times." if many else None
    return click.Option(
        [flag], type=single, multiple=many, default=default, show_default=True, help=help_text
    )


def load_study(path: Path) -> StudySource:
    """The `study` that a Python file defines: a Study, or a function that makes one.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file defines no `study`.
    """
    if not path.is_file() or path.suffix != ".py":
        raise FileNotFoundError(f"no study file {path}; it must be a Python file, *.py")
    sys.path.insert(0, str(path.resolve().parent))
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[path.stem] = module
    specification.loader.exec_module(module)
    study = getattr(module, "study", None)
    if not (isinstance(study, Study) or callable(study)):
        raise ValueError(
            f"{path} must define `study`, a Study or a function that makes one; got {study!r}"
        )
    return study


@click.group(no_args_is_help=True)
def app() -> None:
    """Measure super-convergence: superconv COMMAND STUDY.py [OPTIONS].

    Run studies and look at their results. The options are the same for every study, and those that
    it defines itself: superconv COMMAND STUDY.py --help.
    """


def _of_file(name: str) -> click.Command:
    @click.argument("study", type=Path)
    @click.argument("flags", nargs=-1, type=click.UNPROCESSED)
    def run(study: Path, flags: tuple[str, ...]) -> None:
        if study == Path("--help"):
            main(_no_study, [name, "--help"])
        with errors_in_one_line():
            source = load_study(study)
        main(source, [name, *flags])

    anything = {"ignore_unknown_options": True, "help_option_names": []}
    return click.command(name, help=COMMANDS[name].__doc__, context_settings=anything)(run)


def _no_study() -> Study:
    """Stands for any study where only the options that all of them have are asked for."""
    raise ValueError("no study file was given")


for _name in COMMANDS:
    app.add_command(_of_file(_name))


app.add_command(report)
app.add_command(export)


@app.command("lr-find")
@click.argument("study", type=Path, required=False)
@click.option("--dataset", help="Instead of the study's; without a study: digits.")
@click.option("--model", help="Instead of the study's; without a study: small_cnn.")
@click.option("--data-fraction", type=float, help="Limited labels, in (0, 1].")
@click.option("--batch-size", type=int, help="Samples per step.")
@click.option("--seeds", type=int, help="Range tests; without a study: 3.")
@click.option("--high", default=3.0, show_default=True, help="Learning rate at the end.")
@click.option("--low", type=float, help="At the beginning; default: 0, or 1e-5 if exponential.")
@click.option("--scale", default="linear", show_default=True, help="linear or exponential.")
@click.option("--steps", type=int, help="Length; default: a quarter of the study's budget, or 500.")
@click.option("--points", default=50, show_default=True, help="Measurements on the way.")
@click.option("--validation-fraction", default=0.2, show_default=True, help="Labels held out.")
@click.option("--test-labels", is_flag=True, help="Measure on test labels, as papers do.")
@click.option(
    "--chart",
    type=Path,
    multiple=True,
    default=["lr_find.png"],
    show_default=True,
    help="*.png, *.svg or *.html. May be given several times.",
)
@run_options
def lr_find(
    study: Path | None,
    seeds: int | None,
    test_labels: bool,
    chart: tuple[Path, ...],
    **given: Any,
) -> None:
    """Run LR range tests and print what every known rule reads off them.

    Of a built-in data set and model, or of STUDY's base and sweep, in which the flags change what
    they name. Nothing else is trained; the results are in the store like those of any study.
    """
    from superconv_ray.report import lr_find as finder
    from superconv_ray.report.chart_files import check_chart_files

    with errors_in_one_line():
        check_chart_files(chart)
        changes = {name: given.pop(name) for name in finder.CHANGEABLE}
        settings = {name: given.pop(name) for name in inspect.signature(from_range_test).parameters}
        reading = from_range_test(**settings)
        if test_labels:
            reading = replace(reading, validation_fraction=0.0)
        source = load_study(study) if study else finder.default_study(changes)
        found = source if isinstance(source, Study) else source()
        plan = range_tests_alone(make_plan(finder.lr_find_study(found, changes, reading, seeds)))
        complete = _run(plan, given)
        for line in finder.answers(plan, given["store"], chart):
            click.echo(line)
    raise click.exceptions.Exit(0 if complete else 1)


@app.command("watch")
@click.argument("store", default="results")
@click.option("--study", help="Only this study; default: all.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0, min_open=True),
    default=5.0,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option("--once", is_flag=True, help="Look once and end.")
def watch_store(store: str, study: str | None, interval: float, once: bool) -> None:
    """Show how far the studies of STORE are, while they run and afterwards.

    STORE is a path or URI; from another machine one that both reach. Nothing is written to it. Ends
    when nothing is left to run, or with Ctrl-C.
    """
    with errors_in_one_line(), contextlib.suppress(KeyboardInterrupt):
        from rich.console import Console

        from superconv_ray.report.watch import watch
        from superconv_ray.storage.store import open_store

        watch(open_store(store), Console(), study, interval, once)


@app.command("doctor")
@click.option("--address", help="Ray cluster; default: this machine's, else a new local one.")
@click.option("--store", help="Path or URI of a store that all nodes should reach.")
@click.option("--dataset", help="Built-in data set to read here and send to every node.")
@click.option("--data-dir", type=Path, help="Folder with the data set's files.")
def doctor(**what: Any) -> None:
    """Look whether a cluster will run a study: versions, store, clocks, devices, disks, access.

    Exit code 1 if there is a problem; warnings leave it 0.
    """
    from superconv_ray.execution.doctor.checks import examine
    from superconv_ray.execution.doctor.collection import collect
    from superconv_ray.execution.doctor.text import report

    with errors_in_one_line():
        cluster = collect(**what)
        findings = examine(cluster)
        click.echo(report(cluster, findings))
    raise click.exceptions.Exit(int(any(finding.level == "problem" for finding in findings)))
