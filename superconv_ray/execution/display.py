"""Where a run's progress is shown: live on a terminal or in a notebook, as lines in a log."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

BAR_WIDTH = 40


@dataclass(frozen=True)
class View:
    """What is shown at one moment.

    Attributes:
        status: Counts and times in one line; or, before trials run, what is going on.
        share: Share of the work that is done, in [0, 1]; None before trials run.
        recent: Lines on the latest trials, oldest first.
    """

    status: str
    share: float | None = None
    recent: tuple[str, ...] = field(default=())


class Display(Protocol):
    """Shows views.

    Attributes:
        interval: Least seconds between two views when trials end.
        idle_interval: Least seconds between two views when none ends.
    """

    interval: float
    idle_interval: float

    def start(self, view: View) -> None:
        """Begin to show."""

    def show(self, view: View) -> None:
        """Show a view in place of the one before."""

    def stop(self, view: View) -> None:
        """Leave the last view, and the screen in order."""


def plain_console(**options: Any) -> Console:
    """Make a console that shows text as it is.

    By default rich reads brackets as markup and ``:name:`` as emoji, also in what others print
    while a live display is on.

    Args:
        options: As rich's `Console`.
    """
    return Console(markup=False, emoji=False, highlight=False, **options)


def display_for(console: Console) -> Display:
    """Choose the display that fits what a console writes to."""
    if console.is_jupyter:
        return NotebookDisplay()
    return TerminalDisplay(console) if console.is_terminal else LogDisplay(console)


def rendered(view: View, spinner: Spinner | None = None) -> RenderableType:
    """Lay out a view: the latest trials, the bar, the status."""
    if view.share is None:
        status = Text(f"{view.status} ...")  # of a str, a spinner would read the markup
        if spinner is None:
            return status
        spinner.update(text=status)
        return spinner
    row = Table.grid(padding=(0, 1))
    row.add_row(ProgressBar(total=1.0, completed=view.share, width=BAR_WIDTH), f"{view.share:4.0%}")
    return Group(*map(Text, view.recent), row, Text(view.status))


class TerminalDisplay:
    """Redraws the last lines of a terminal; a thread keeps the spinner turning."""

    interval = 0.25
    idle_interval = 0.25

    def __init__(self, console: Console) -> None:
        self._view = View("")
        self._spinner = Spinner("dots")
        self._live = Live(console=console, refresh_per_second=4, get_renderable=self._rendered)

    def start(self, view: View) -> None:
        """See `Display`."""
        self._view = view
        self._live.start(refresh=True)

    def show(self, view: View) -> None:
        """See `Display`."""
        self._view = view
        self._live.refresh()

    def stop(self, view: View) -> None:
        """See `Display`."""
        self._view = view
        self._live.stop()

    def _rendered(self) -> RenderableType:
        return rendered(self._view, self._spinner)


class NotebookDisplay:
    """Updates one output of a notebook's cell. rich's own `Live` would need ipywidgets for that."""

    interval = 0.5
    idle_interval = 0.5

    def __init__(self) -> None:
        self._handle: Any = None

    def start(self, view: View) -> None:
        """See `Display`."""
        from IPython.display import display

        self._handle = display(_Output(view), display_id=True)  # type: ignore[no-untyped-call]

    def show(self, view: View) -> None:
        """See `Display`."""
        self._handle.update(_Output(view))

    def stop(self, view: View) -> None:
        """See `Display`."""
        self.show(view)


class _Output:
    """A view as IPython displays it."""

    def __init__(self, view: View) -> None:
        self._view = view

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        console = plain_console(
            file=io.StringIO(),
            record=True,
            width=100,
            force_terminal=True,
            force_jupyter=False,  # it records, and shows nothing itself
            color_system="standard",
        )
        console.print(rendered(self._view))
        return {
            "text/html": console.export_html(
                clear=False,
                inline_styles=True,
                code_format='<pre style="line-height:normal">{code}</pre>',
            ),
            "text/plain": console.export_text(),
        }


class LogDisplay:
    """Prints a line now and then."""

    interval = 2.0
    idle_interval = 60.0

    def __init__(self, console: Console) -> None:
        self._console = console

    def start(self, view: View) -> None:
        """See `Display`."""

    def show(self, view: View) -> None:
        """See `Display`."""
        last = f" | last: {view.recent[-1]}" if view.recent else ""
        self._print(f"{view.status}{last}")

    def stop(self, view: View) -> None:
        """See `Display`."""
        if view.recent:
            self._print(view.status)

    def _print(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)
