"""Keeps the engine's thread of a loop from going on."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from segue.loop.loop import Loop
from tests.kit.waiting import PATIENCE_S


@contextmanager
def held(loop: Loop) -> Iterator[None]:
    """Hold the engine's thread: what is submitted meanwhile arrives at once."""
    has_stopped, may_go_on = threading.Event(), threading.Event()

    def hold() -> None:
        has_stopped.set()
        assert may_go_on.wait(PATIENCE_S)

    done = loop.call(hold)
    assert has_stopped.wait(PATIENCE_S)
    try:
        yield
    finally:
        may_go_on.set()
    done.result(timeout=PATIENCE_S)
