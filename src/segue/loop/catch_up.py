"""Takes checkpoints that are too expensive while requests are waiting, once the server is idle."""

import logging
from collections import deque
from dataclasses import dataclass

from segue.cache.state_cache import StateCache
from segue.engine.base import Chunk, Engine, Tokens
from segue.engine.errors import EngineError
from segue.policy.placement import PromptMarks, last_message, rewinds
from segue.prefix.branch import n_equal
from segue.prefix.checkpoint import Origin

log = logging.getLogger(__name__)

_MOST_LEFT = 4
_MOST_READ_TOKENS = 512
_CHUNK_TOKENS = 64
_LANE = 0


@dataclass(frozen=True, slots=True)
class _Left:
    """The tokens of a prompt up to the end of its last message, and where a checkpoint is to be taken, ascending."""

    scope: str
    tokens: Tokens
    positions: tuple[int, ...]


class CatchUp:
    """Reads the last message of the latest prompts once more, and takes the checkpoints that an edit of it will need.

    Long messages have theirs from the start; in a short one they would take a good part of the time to read it. Works
    only while all lanes are empty, in pieces of 64 tokens, on the first lane. Belongs to the engine's thread.
    """

    def __init__(self, engine: Engine, cache: StateCache, *, is_off: bool) -> None:
        self._engine = engine
        self._cache = cache
        self._is_off = is_off or engine.shape.kind.rewinds
        self._left: deque[_Left] = deque(maxlen=_MOST_LEFT)
        self._now: _Left | None = None

    @property
    def has_work(self) -> bool:
        """Whether there is something to catch up on."""
        return self._now is not None or bool(self._left)

    @property
    def is_reading(self) -> bool:
        """Whether the first lane is in use for it."""
        return self._now is not None

    def note(self, scope: str, tokens: Tokens, marks: PromptMarks) -> None:
        """Hear of a prompt that has been read; it replaces earlier ones that it extends. `tokens` must not change."""
        if self._is_off:
            return
        start, end = last_message(marks)
        positions = tuple(sorted(rewinds(start, end)))
        self._left = deque((one for one in self._left if not _continues(tokens, one, scope)), maxlen=_MOST_LEFT)
        if positions:
            self._left.append(_Left(scope, tokens[:end], positions))

    def step(self) -> bool:
        """Do one piece of the work; False if there is none. All lanes are empty but for the one used here."""
        try:
            return self._step()
        except EngineError as error:
            log.debug("checkpoints inside a message are not taken: %s", error)
        except Exception:
            # What is left here would fail again at once, for as long as nobody asks for anything.
            log.exception("checkpoints inside a message could not be taken")
        self.stop()
        return self.has_work

    def stop(self) -> None:
        """Empty the lane: a request is here. Checkpoints not yet taken are skipped."""
        if self._now is not None:
            self._now = None
            self._cache.discard(_LANE)

    def _step(self) -> bool:
        if self._now is None:
            return self._begin()
        if not self._cache.is_open(_LANE):
            self._cache.step(_LANE)
            return True
        n_read = self._engine.length(_LANE)
        due = next((n for n in self._now.positions if n > n_read), None)
        if due is None:
            self.stop()
            return self.has_work
        upto = min(due, n_read + min(_CHUNK_TOKENS, self._engine.n_ubatch))
        self._engine.decode([Chunk(_LANE, self._now.tokens[n_read:upto])])
        if upto == due:
            taken = self._cache.take_passing(_LANE, self._now.tokens[:due], Origin.REWIND)
            if taken is not None:
                self._cache.keep(taken)
        return True

    def _begin(self) -> bool:
        """Open the lane where the first missing checkpoint can be read from; False if all is done."""
        while self._left:
            # Other threads ask `has_work`: it is in one place or the other.
            self._now = left = self._left[-1]
            self._left.pop()
            missing = [n for n in left.positions if self._cache.entries.tree(left.scope).at(left.tokens[:n]) is None]
            if missing:
                plan = self._cache.plan(left.scope, left.tokens[: missing[0]], reads_last=True, only_near=True)
                if missing[-1] - plan.n_start <= _MOST_READ_TOKENS:
                    self._cache.open(_LANE, plan, is_request=False)
                    return True
            self._now = None
        return False


def _continues(tokens: Tokens, left: _Left, scope: str) -> bool:
    return scope == left.scope and n_equal(tokens, left.tokens) == len(left.tokens) < len(tokens)
