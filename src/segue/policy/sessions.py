"""The clients' sessions, as far as a client names them: what each would miss most, and how its prompts change."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from segue.prefix.checkpoint import Checkpoint
from segue.prefix.divergence import Divergence
from segue.prefix.lineage import branch_of

N_ENDS = 2
"""A conversation goes on from where its reply or its prompt ended."""
_MOST_SESSIONS = 1024
_REST_S = 3600.0
"""How long a path stays the main one of a session that goes other ways."""

Key = tuple[str, str]
"""A namespace and the session's name in it."""


@dataclass(frozen=True, slots=True)
class _Main:
    ends: Sequence[Checkpoint]
    used: float


class Sessions:
    """For each session the end of its longest path, which counts as used whenever the session is.

    An agent whose helpers are at work does not use its own conversation meanwhile, and yet will. Nothing follows but
    the order in which checkpoints make room. Times are monotonic seconds, given by the caller.
    """

    def __init__(self) -> None:
        self._mains: OrderedDict[Key, _Main] = OrderedDict()
        self._diverged: OrderedDict[Key, tuple[Divergence, ...]] = OrderedDict()

    def hear(self, key: Key, now: float) -> None:
        """A request of the session arrives."""
        main = self._mains.get(key)
        for end in main.ends if main is not None else ():
            if end.branch is not None:
                _use(end, now)

    def note(self, key: Key, ends: Sequence[Checkpoint], now: float) -> None:
        """A request of the session is over; `ends` are the `N_ENDS` deepest checkpoints of its path, deepest first."""
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
        """How prompts of the session diverged from earlier ones, as last noted."""
        return self._diverged.get(key, ())

    def note_diverged(self, key: Key, seen: tuple[Divergence, ...]) -> None:
        """Note how the session's latest prompts diverged."""
        self._diverged.pop(key, None)
        self._diverged[key] = seen
        if len(self._diverged) > _MOST_SESSIONS:
            self._diverged.popitem(last=False)


def _use(checkpoint: Checkpoint, now: float) -> None:
    checkpoint.last_used = max(checkpoint.last_used, now)
    visit = branch_of(checkpoint).visit
    if visit is not None:
        visit.attended = max(visit.attended, now)
