"""The command line: ``superconv plan|run|status|show STUDY.py`` and ``python STUDY.py plan|...``.

Heavy modules are imported by the command that needs them, so that `plan` answers at once.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import inspect
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from superconv_ray.plan import make_plan
from superconv_ray.study import Study
from superconv_ray.tables import text_table

StudySource = Study | Callable[..., Study]
"""A study, or a function that makes one; the function's parameters become flags."""

DEFAULT_STORE = "results"

StoreOption = Annotated[str, typer.Option(help="Path or URI (s3://, gs://, abfs://) of the store.")]


def plan_command(study: Study) -> int:
    """Check the study and print its cells, trials and steps; nothing is trained."""
    plan = make_plan(study)
    unique = plan.distinct_trials()
    tests = sum(trial.kind == "range_test" for trial in unique)
    steps = sum(trial.steps or 0 for trial in unique)
    rows = []
    for cell in plan.cells:
        first = cell.trainings[0]
        max_lr = "from range test" if cell.reading else f"{first.max_lr:g}"
        rows.append(
            [
                cell.arm,
                ", ".join(f"{name}={value}" for name, value in cell.point.items()),
                f"{first.data_count:,}",
                f"{first.steps:,}",
                max_lr,
                str(len(cell.range_tests)),
                str(len(cell.trainings)),
            ]
        )
    headings = ["arm", "point", "labels", "steps", "max_lr", "range tests", "trainings"]
    typer.echo(f"study {study.name}: {study.question}".rstrip(": "))
    typer.echo(text_table(headings, rows))
    typer.echo(
        f"{len(plan.cells)} cells, {len(unique)} trials ({tests} range tests, "
        f"{len(unique) - tests} trainings), {steps:,} steps"
    )
    return 0


def run_command(
    study: Study,
    store: StoreOption = DEFAULT_STORE,
    address: Annotated[
        str | None,
        typer.Option(help="Ray cluster; default: this machine's, else a new local one."),
    ] = None,
    local: Annotated[bool, typer.Option("--local", help="In this process, without Ray.")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="Folder with the data set's files.")] = None,
    max_trials: Annotated[int | None, typer.Option(help="Start at most this many trials.")] = None,
    cpus_per_trial: Annotated[float, typer.Option(help="CPUs, and threads, of a trial.")] = 1.0,
    gpus_per_trial: Annotated[
        float | None, typer.Option(help="GPUs of a trial; default: one each, if there are any.")
    ] = None,
) -> int:
    """Train what is missing of the study; what the store has is not trained again."""
    plan = make_plan(study)

    from rich.console import Console

    from superconv_ray.execution.session import RunOptions, run_plan

    options = RunOptions(
        store=store,
        local=local,
        address=address,
        data_dir=data_dir,
        max_trials=max_trials,
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
    )
    summary = run_plan(plan, options, Console())
    typer.echo(
        f"study {study.name}: {summary.trained} trials trained, {summary.found} found in the store,"
        f" {summary.diverged} diverged, {len(summary.failed)} failed, {summary.left} left"
    )
    for reason in summary.blocked:
        typer.echo(f"not run: {reason}", err=True)
    show_command(study, store)
    return 1 if summary.failed or summary.blocked else 0


def status_command(study: Study, store: StoreOption = DEFAULT_STORE) -> int:
    """Print how much of the study is done, diverged, failed and left."""
    plan = make_plan(study)

    from superconv_ray.execution.session import recorded_outcomes
    from superconv_ray.planner import Planner
    from superconv_ray.store import open_store

    opened = open_store(store)
    planner = Planner(plan, recorded_outcomes(opened, plan))
    counts = Counter(planner.outcomes.values())
    own = {member.trial_id for member in planner.memberships}
    failures = {id_: failure for id_, failure in opened.failures().items() if id_ in own}
    typer.echo(
        f"study {study.name} in {opened.files.place}: {planner.total} trials, "
        f"{len(planner.outcomes)} done (of which {counts['diverged']} diverged), "
        f"{len(failures)} failed, {planner.left} left"
    )
    for failure in failures.values():
        lines = [line for line in failure["error"].splitlines() if line.strip()]
        typer.echo(f"failed: {' | '.join(lines[-2:])}")  # what was raised, and by which trial
    return 0


def show_command(study: Study, store: StoreOption = DEFAULT_STORE) -> int:
    """Print the study's results: every arm with its interval, and the paired gaps."""
    from superconv_ray.store import open_store
    from superconv_ray.summary import results_text

    typer.echo(results_text(open_store(store), study.name))
    return 0


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
    with _errors_in_one_line():
        application = study_app(study)
    application(arguments)


def study_app(study: StudySource) -> typer.Typer:
    """The four commands, bound to a study."""
    application = typer.Typer(
        add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False
    )
    for name, command in COMMANDS.items():
        application.command(name)(_bind(command, study))
    return application


def _bind(command: Callable[..., int], source: StudySource) -> Callable[..., None]:
    """The command with the study's own parameters as further flags."""
    own = {} if isinstance(source, Study) else dict(inspect.signature(source).parameters)
    options = dict(inspect.signature(command, eval_str=True).parameters)
    del options["study"]
    if both := sorted(own.keys() & options.keys()):
        raise ValueError(
            f"a study cannot have a parameter {both[0]!r}: it is a flag of the command"
        )
    types = {} if isinstance(source, Study) else inspect.get_annotations(source, eval_str=True)

    @functools.wraps(command)
    def bound(**given: Any) -> None:
        with _errors_in_one_line():
            study = source if isinstance(source, Study) else source(**{n: given[n] for n in own})
            code = command(study, **{name: given[name] for name in options})
        raise typer.Exit(code)

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        *(p.replace(kind=keyword, annotation=types.get(n, str)) for n, p in own.items()),
        *(p.replace(kind=keyword) for p in options.values()),
    ]
    bound.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    bound.__annotations__ = {p.name: p.annotation for p in parameters}
    return bound


@contextlib.contextmanager
def _errors_in_one_line() -> Iterator[None]:
    """The user's mistakes end in a message and exit code 2; Ctrl-C says how to go on.

    With SUPERCONV_TRACEBACK set in the environment the whole traceback is shown.
    """
    try:
        yield
    except (ValueError, TypeError, OSError) as error:
        if os.environ.get("SUPERCONV_TRACEBACK"):
            raise
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("interrupted: the same command goes on from here", err=True)
        sys.exit(130)


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


app = typer.Typer(
    help="Measure super-convergence: superconv COMMAND STUDY.py [OPTIONS], where a study's own "
    "parameters are options as well.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _of_file(command: str) -> Callable[..., None]:
    def run(context: typer.Context, study: Path) -> None:
        if study == Path("--help"):
            main(_no_study, [command, "--help"])
        with _errors_in_one_line():
            source = load_study(study)
        main(source, [command, *context.args])

    run.__doc__ = COMMANDS[command].__doc__
    return run


def _no_study() -> Study:
    raise ValueError("no study file was given")


for _name in COMMANDS:
    app.command(
        _name,
        context_settings={
            "allow_extra_args": True,
            "ignore_unknown_options": True,
            "help_option_names": [],  # --help is the study's to answer: it has further flags
        },
    )(_of_file(_name))
