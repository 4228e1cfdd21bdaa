"""Takes checkpoints that are too expensive while requests are waiting, once the server is idle."""

import logging
from collections import deque
from dataclasses import dataclass

from segue.cache.restoration import Restoration
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
_SEQ = 0


@dataclass(frozen=True, slots=True)
class _Left:
    """The tokens of a prompt up to the end of its last message, and where a checkpoint is to be taken, ascending."""

    namespace: str
    tokens: Tokens
    positions: tuple[int, ...]


class CatchUp:
    """Reads the last message of the latest prompts once more, and takes the checkpoints that an edit of it will need.

    Long messages have theirs from the start; in a short one they would take a good part of the time to read it. Works
    only while no request runs, in pieces of 64 tokens, on the first sequence. Belongs to the engine's thread.
    """

    def __init__(self, engine: Engine, cache: StateCache, *, is_off: bool) -> None:
        self._engine = engine
        self._cache = cache
        self._is_off = is_off or engine.shape.kind.rewinds
        self._left: deque[_Left] = deque(maxlen=_MOST_LEFT)
        self._now: _Left | None = None
        self._restoration: Restoration | None = None

    @property
    def has_work(self) -> bool:
        """Whether there is something to catch up on."""
        return self._now is not None or bool(self._left)

    @property
    def is_reading(self) -> bool:
        """Whether the first sequence is in use for it."""
        return self._now is not None

    def add(self, namespace: str, tokens: Tokens, marks: PromptMarks) -> None:
        """Add a prompt that has been read; it replaces earlier ones that it extends. `tokens` must not change."""
        if self._is_off:
            return
        start, end = last_message(marks)
        positions = tuple(sorted(rewinds(start, end)))
        self._left = deque((one for one in self._left if not _continues(tokens, one, namespace)), maxlen=_MOST_LEFT)
        if positions:
            self._left.append(_Left(namespace, tokens[:end], positions))

    def work(self) -> bool:
        """Do one piece of the work; False if there is none. No request runs."""
        try:
            return self._work()
        except EngineError as error:
            log.debug("checkpoints inside a message are not taken: %s", error)
        except Exception:
            # What is left here would fail again at once, for as long as nobody asks for anything.
            log.exception("checkpoints inside a message could not be taken")
        self.stop()
        return self.has_work

    def stop(self) -> None:
        """Empty the sequence, because a request is here. Checkpoints not yet taken are skipped."""
        if self._now is not None:
            self._now = self._restoration = None
            self._cache.release(_SEQ)

    def _work(self) -> bool:
        if self._now is None or self._restoration is None:
            return self._begin()
        if not self._restoration.is_done:
            self._restoration.step()
            return True
        n_read = self._engine.length(_SEQ)
        due = next((n for n in self._now.positions if n > n_read), None)
        if due is None:
            self.stop()
            return self.has_work
        upto = min(due, n_read + min(_CHUNK_TOKENS, self._engine.n_ubatch))
        self._engine.decode([Chunk(_SEQ, self._now.tokens[n_read:upto])])
        if upto == due:
            saved = self._cache.save(_SEQ, self._now.tokens[:due], Origin.REWIND, is_temporary=True)
            if saved is not None:
                self._cache.temporary.keep(saved)
        return True

    def _begin(self) -> bool:
        """Begin where the first missing checkpoint can be read from; False if all is done."""
        while self._left:
            # Other threads ask `has_work`: it is in one place or the other.
            self._now = left = self._left[-1]
            self._left.pop()
            known = self._cache.match(left.namespace, left.tokens)
            missing = [n for n in left.positions if not known.has_checkpoint(left.tokens[:n])]
            if missing:
                plan = self._cache.match(left.namespace, left.tokens[: missing[0]], reads_last=True, only_near=True)
                if missing[-1] - plan.n_start <= _MOST_READ_TOKENS:
                    self._restoration = self._cache.restore(_SEQ, plan, is_request=False)
                    self._restoration.step()
                    return True
            self._now = None
        return False


def _continues(tokens: Tokens, left: _Left, namespace: str) -> bool:
    return namespace == left.namespace and n_equal(tokens, left.tokens) == len(left.tokens) < len(tokens)
