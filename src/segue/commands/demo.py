"""`segue demo` on the command line."""

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

from cyclopts import Parameter

TERMINATED = 143


def demo(*, model: Annotated[Path | None, Parameter(name=["--model", "-m"])] = None) -> int:
    """Play an agent's conversation against a server, with the cache and without.

    Needs no model and no network: it writes a tiny hybrid of random weights, in the shape of Qwen3.5, to a temporary
    folder, serves it with `segue serve` on a free port of this machine, and talks to it over HTTP as a coding agent
    does: follow-ups, tool results, reasoning that the template cuts from the history, an undo, two branches, a second
    conversation with the same system prompt, and a time in the system prompt that changes. Then it sends the same
    requests to a server that keeps nothing.

    For each request the table shows the tokens in the prompt, how many of them were reused and from where reading
    started, how many were read and why, and the milliseconds until the reply's first token, with the cache and
    without. "new" was never read before; what is read "again" was, but no checkpoint stands where it begins.

    Takes about half a minute. Exit code 1, after one line that says why, if the server fails.

    Parameters
    ----------
    model
        A GGUF file of your own to play the same script with, in the words of its own chat template. A large one takes
        as long as it needs to read 100,000 bytes of text.
    """
    from rich.console import Console

    from segue.demo.play import demonstrate

    before = signal.signal(signal.SIGTERM, _end)
    try:
        return demonstrate(model, Console())
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(_: int, __: FrameType | None) -> None:
    """End as after Ctrl-C, so that the server is stopped too."""
    sys.exit(TERMINATED)
