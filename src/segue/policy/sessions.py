"""The sessions that clients name: the longest path of each, and where its prompts diverge."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from segue.prefix.checkpoint import Checkpoint
from segue.prefix.divergence import Divergence
from segue.prefix.lineage import branch_of

N_ENDS = 2
"""A conversation continues at the end of its reply or of its prompt."""
_MOST_SESSIONS = 1024
_REST_S = 3600.0
"""How long a path stays the main one of a session that continues on other paths."""

Key = tuple[str, str]
"""A namespace and the session's name in it."""


@dataclass(frozen=True, slots=True)
class _Main:
    ends: Sequence[Checkpoint]
    used: float


class Sessions:
    """The end of each session's longest path, which counts as used whenever the session is.

    While an agent's subagents work, the agent does not use its own conversation, but will return to it. A session only
    affects the order of eviction. Times are monotonic seconds, given by the caller.
    """

    def __init__(self) -> None:
        self._mains: OrderedDict[Key, _Main] = OrderedDict()
        self._diverged: OrderedDict[Key, tuple[Divergence, ...]] = OrderedDict()

    def record_arrival(self, key: Key, now: float) -> None:
        """Count the session's longest path as used: a request of the session arrives."""
        main = self._mains.get(key)
        for end in main.ends if main is not None else ():
            if end.branch is not None:
                _use(end, now)

    def record_end(self, key: Key, ends: Sequence[Checkpoint], now: float) -> None:
        """Record the end of a request; `ends` are the `N_ENDS` deepest checkpoints of its path, deepest first."""
        main = self._mains.pop(key, None)
        left = [end for end in main.ends if end.branch is not None] if main is not None else []
        if main is None or not left or ends[0].n_tokens >= left[0].n_tokens or now - main.used > _REST_S:
            main, left = _Main(ends, now), list(ends)
        for end in left:
            _use(end, ends[0].last_used)
        self._mains[key] = main
        if len(self._mains) > _MOST_SESSIONS:
            self._mains.popitem(last=False)

    def diverged(self, key: Key) -> tuple[Divergence, ...]:
        """The divergences of the session's prompts, as last recorded."""
        return self._diverged.get(key, ())

    def record_diverged(self, key: Key, seen: tuple[Divergence, ...]) -> None:
        """Record how the session's latest prompts diverged."""
        self._diverged.pop(key, None)
        self._diverged[key] = seen
        if len(self._diverged) > _MOST_SESSIONS:
            self._diverged.popitem(last=False)


def _use(checkpoint: Checkpoint, now: float) -> None:
    checkpoint.last_used = max(checkpoint.last_used, now)
    visit = branch_of(checkpoint).visit
    if visit is not None:
        visit.attended = max(visit.attended, now)
