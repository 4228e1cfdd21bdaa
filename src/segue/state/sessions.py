"""The clients' sessions, as far as a client names them: what each would miss most."""

from collections import OrderedDict
from dataclasses import dataclass

from segue.state.checkpoint import Checkpoint

_MOST_SESSIONS = 1024
_REST_S = 3600.0
"""How long a path stays the main one of a session that goes other ways."""

Key = tuple[str, str]
"""A cache scope and the session's name in it."""


@dataclass(frozen=True, slots=True)
class _Main:
    end: Checkpoint
    used: float


class Sessions:
    """For each session the end of its longest path, which counts as used whenever the session is.

    An agent whose helpers are at work does not use its own conversation meanwhile, and yet will. Nothing follows but
    the order in which checkpoints make room. Times are monotonic seconds, given by the caller.
    """

    def __init__(self) -> None:
        self._mains: OrderedDict[Key, _Main] = OrderedDict()

    def note(self, key: Key, end: Checkpoint, now: float) -> None:
        """A request of the session is over, whose path has its deepest checkpoint at `end`."""
        main = self._mains.pop(key, None)
        if main is None or main.end.branch is None or end.n_tokens >= main.end.n_tokens or now - main.used > _REST_S:
            main = _Main(end, now)
        main.end.last_used = max(main.end.last_used, end.last_used)
        self._mains[key] = main
        if len(self._mains) > _MOST_SESSIONS:
            self._mains.popitem(last=False)
