"""`segue doctor` on the command line."""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

from cyclopts import Parameter
from pydantic import ValidationError

from segue.commands.serve.command_line import read_line
from segue.commands.serve.errors import FlagError
from segue.settings import Settings
from segue.settings.flags import explain

_WIDTH = 110


def doctor(*, settings: Annotated[Settings | None, Parameter(name="*", show=False)] = None) -> None:
    """Look at this machine, and at the setup that the flags of segue serve describe.

    Shows what the processor and its devices can do, what libllama was built with, how fast memory and disks are, and
    with -m which context fits that model with which flags. Names what is wrong, each with a line that fixes it, and
    exits with code 1 then. Starts no server, downloads nothing and changes nothing.

    Put doctor in place of serve in the line that starts your server: segue doctor -m model.gguf -c 32768.
    """


def run_doctor(arguments: Sequence[str]) -> int:
    """Run `segue doctor` with the arguments of a server; its exit code. Raises FlagError as `segue serve` does."""
    from rich.console import Console

    from segue.commands.doctor.examination import examine
    from segue.commands.doctor.report import show
    from segue.commands.doctor.setup import Setup

    line = read_line(arguments, os.environ)
    try:
        settings = line.settings()
    except ValidationError as error:
        raise FlagError(explain(error)) from error
    setup, console = Setup(arguments, settings), Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    with _silence():
        seen = examine(setup)
    show(seen, setup, console)
    return int(any(finding.is_wrong for finding in seen.findings))


@contextmanager
def _silence() -> Iterator[None]:
    """Without a log: the findings say what it would."""
    log = logging.getLogger("segue")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)
