"""Waiting for what must come, on machines that may be busy with other things."""

import time
from collections.abc import Callable
from typing import Final

PATIENCE_S: Final = 240.0
"""How long a test waits for an event that must come. Nothing is decided by how soon it does."""
_POLL_S: Final = 0.01


def wait_until(holds: Callable[[], object], what: str) -> None:
    """Return once `holds` says so. Fails with `what` was awaited when patience ends."""
    give_up = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < give_up, f"waited in vain: {what}"
        time.sleep(_POLL_S)
