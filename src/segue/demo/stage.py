"""The screen while the demo runs: the table so far, and a bar for what goes on."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from segue.demo.row import Row
from segue.demo.table import table


class Stage:
    """Shows messages while it is open."""

    def __init__(self, live: Live, bar: Progress, task: TaskID) -> None:
        self.rows: Sequence[Row] = ()
        self._live = live
        self._bar = bar
        self._task = task

    def begin(self, what: str) -> None:
        """Show that something goes on, for a time that is not known yet."""
        self._bar.reset(self._task, description=what, total=None)

    def advance(self, done: float, total: float = 1) -> None:
        """Show how far that is."""
        self._bar.update(self._task, completed=done, total=total)

    def show(self, rows: Sequence[Row]) -> None:
        """Show the rows so far."""
        self.rows = tuple(rows)
        self._live.update(Group(table(rows), "", self._bar))


@contextmanager
def stage(console: Console) -> Iterator[Stage]:
    """Open a stage until the block ends; the table stays. A console that is not a terminal gets nothing before that."""
    bar = Progress(TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.percentage:>3.0f} %"))
    task = bar.add_task("", total=None)
    with Live(bar, console=console, refresh_per_second=10, transient=True) as live:
        opened = Stage(live, bar, task)
        try:
            yield opened
        finally:
            live.stop()
            if opened.rows:
                console.print(table(opened.rows), "")
