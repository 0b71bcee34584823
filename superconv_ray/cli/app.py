"""The `superconv` command, and `main`, which makes a study file a command of its own.

Commands import what is heavy when they are called, so that `plan` answers at once.
"""

from __future__ import annotations

import click

from superconv_ray.cli.doctor import doctor
from superconv_ray.cli.errors import errors_for_users
from superconv_ray.cli.lr_find import lr_find
from superconv_ray.cli.options import HELP
from superconv_ray.cli.report import export, report
from superconv_ray.cli.scorecard import scorecard
from superconv_ray.cli.study_command import STUDY_COMMANDS, Commands, StudyFileCommand, study_app
from superconv_ray.cli.study_file import StudySource, require_source
from superconv_ray.cli.watch import watch
from superconv_ray.design.version import VERSION

HELP_TEXT = """Measure super-convergence, and how it scales with limited labels.

A study is a Python file. Plan it, run it on this machine or a Ray cluster, and report on it:

\b
  superconv plan STUDY.py
  superconv run STUDY.py --store results
  superconv report results

Each study can add flags of its own: superconv run STUDY.py --help lists them.
"""


@click.group(cls=Commands, help=HELP_TEXT, no_args_is_help=True, context_settings=HELP)
@click.version_option(VERSION, prog_name="superconv", message="%(prog)s %(version)s")
def app() -> None:
    """Take the commands below."""


for _name, _command in STUDY_COMMANDS.items():
    app.add_command(StudyFileCommand(_name, _command))
for _other in (report, export, scorecard, watch, lr_find, doctor):
    app.add_command(_other)


def main(study: StudySource, arguments: list[str] | None = None) -> None:
    """The command line of a study file: put ``main(study)`` at its end.

    Args:
        study: The study, or a function that makes it; its parameters become flags, so that
            ``def study(dataset: str = "digits")`` gives ``--dataset``.
        arguments: Used instead of the arguments of the process.
    """
    with errors_for_users():
        application = study_app(require_source(study, "main(study)"))
    application.main(arguments)
