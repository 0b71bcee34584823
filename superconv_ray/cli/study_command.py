"""Commands on one study: ``superconv COMMAND STUDY.py`` and ``python STUDY.py COMMAND``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from superconv_ray.cli.errors import errors_for_users
from superconv_ray.cli.options import HELP, options_of
from superconv_ray.cli.plan import plan
from superconv_ray.cli.run import run
from superconv_ray.cli.show import show, status
from superconv_ray.cli.study_file import StudySource, load_study, make_study, study_flags
from superconv_ray.design.study import Study

STUDY_COMMANDS: Mapping[str, Callable[..., int]] = {
    "plan": plan,
    "run": run,
    "status": status,
    "show": show,
}
"""Each takes a study and its options, prints, and returns the exit code."""


class Commands(click.Group):
    """Commands in the order in which they are added, whose errors are shown for users."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Names of the commands, in order."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was given."""
        with errors_for_users():
            return super().invoke(ctx)


class StudyFileCommand(click.Command):
    """A command on a study file, which decides by its own flags what else can be given."""

    def __init__(self, name: str, command: Callable[..., int]) -> None:
        super().__init__(name, params=[*options_of(command)], help=command.__doc__)
        self._command = command

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """What follows the command's name in its usage line."""
        return [*super().collect_usage_pieces(ctx), "STUDY.py"]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Find the study file; what else is given is parsed when the study's flags are known."""
        place = _place_of_study(args)
        if place is None:
            super().parse_args(ctx, args)
            raise click.UsageError("Missing argument 'STUDY.py'.", ctx)
        ctx.params = {"study": args[place], "arguments": [*args[:place], *args[place + 1 :]]}
        return []

    def invoke(self, ctx: click.Context) -> Any:
        """Load the study, then run the command with the study's flags among its options."""
        assert self.name is not None
        path = ctx.params["study"]
        bound = bind(self.name, self._command, load_study(Path(path)))
        arguments = ctx.params["arguments"]
        with bound.make_context(f"{self.name} {path}", arguments, parent=ctx.parent) as inner:
            return bound.invoke(inner)


def _place_of_study(arguments: Sequence[str]) -> int | None:
    """Index of the study file: the first argument that ends in .py, else a leading non-option."""
    for place, argument in enumerate(arguments):
        if argument.endswith(".py"):
            return place
    return 0 if arguments and not arguments[0].startswith("-") else None


def bind(name: str, command: Callable[..., int], source: StudySource) -> click.Command:
    """Return the command on a study, with the study's own parameters as further flags.

    Raises:
        ValueError: A parameter of the study has the name of an option of the command.
        TypeError: As `study_flags`.
    """
    flags, options = study_flags(source), options_of(command)
    if both := sorted(flags.keys() & {option.name for option in options}):
        raise ValueError(f"a study cannot have a parameter {both[0]!r}: it is a flag of {name!r}")

    def call(**given: Any) -> None:
        own = {flag: given.pop(flag) for flag in flags}
        raise click.exceptions.Exit(command(make_study(source, **own), **given))

    return click.Command(
        name,
        params=[*flags.values(), *options],
        callback=call,
        help=command.__doc__,
        context_settings=HELP,
    )


def study_app(source: StudySource) -> click.Group:
    """The commands on a study, as its own file offers them."""
    which = f"the study {source.name}" if isinstance(source, Study) else "this study"
    application = Commands(
        help=f"Plan {which}, run it, and print its results.",
        no_args_is_help=True,
        context_settings=HELP,
    )
    for name, command in STUDY_COMMANDS.items():
        application.add_command(bind(name, command, source))
    return application
