"""Takes, once the server is idle, the checkpoints that are too expensive while requests are waiting."""

import logging
from collections import deque
from dataclasses import dataclass

from segue.cache.restoration import Restoration
from segue.cache.state_cache import StateCache
from segue.common_prefix import n_equal
from segue.engine.base import Chunk, Engine, Tokens
from segue.engine.errors import EngineError
from segue.policy.checkpoint_positions import last_message, rewind_positions
from segue.policy.prompt_marks import PromptMarks
from segue.prefix.checkpoint import Origin

log = logging.getLogger(__name__)

_MOST_LEFT = 4
_MOST_READ_TOKENS = 512
_CHUNK_TOKENS = 64
_SEQ = 0


@dataclass(frozen=True, slots=True)
class _Left:
    """The tokens of a prompt up to the end of its last message, and the ascending positions of missing checkpoints."""

    namespace: str
    tokens: Tokens
    positions: tuple[int, ...]


class IdleCheckpoints:
    """Reads the last message of the latest prompts once more, and takes the checkpoints that an edit of it will need.

    In long messages these are taken at once; in a short message they would take a large part of its reading time. Works
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
        """Whether any checkpoints are still to be taken."""
        return self._now is not None or bool(self._left)

    @property
    def is_reading(self) -> bool:
        """Whether this work is using the first sequence."""
        return self._now is not None

    def add(self, namespace: str, tokens: Tokens, marks: PromptMarks) -> None:
        """Add a prompt that has been read, in place of earlier ones that it extends. `tokens` must not change."""
        if self._is_off:
            return
        start, end = last_message(marks)
        positions = tuple(sorted(rewind_positions(start, end)))
        self._left = deque((one for one in self._left if not _continues(tokens, one, namespace)), maxlen=_MOST_LEFT)
        if positions:
            self._left.append(_Left(namespace, tokens[:end], positions))

    def work(self) -> bool:
        """Do one piece of the work; False if there is none. No request may be running."""
        try:
            return self._work()
        except EngineError as error:
            log.debug("checkpoints inside a message are not taken: %s", error)
        except Exception:
            # The remaining work would fail again at once, as long as no request arrives.
            log.exception("checkpoints inside a message could not be taken")
        self.stop()
        return self.has_work

    def stop(self) -> None:
        """Empty the sequence, because a request has arrived. Checkpoints not yet taken are skipped."""
        if self._now is not None:
            self._now = self._restoration = None
            self._cache.release(_SEQ)

    def _work(self) -> bool:
        if self._now is None or self._restoration is None:
            return self._begin()
        if not self._restoration.is_done:
            self._restoration.restore_next()
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
        """Begin at the start from which the first missing checkpoint can be reached; False if all are taken."""
        while self._left:
            # Other threads read `has_work`, so the work must always be in one of the two places.
            self._now = left = self._left[-1]
            self._left.pop()
            known = self._cache.match(left.namespace, left.tokens)
            missing = [n for n in left.positions if not known.has_checkpoint(left.tokens[:n])]
            if missing:
                plan = self._cache.match(left.namespace, left.tokens[: missing[0]], reads_last=True, only_near=True)
                if missing[-1] - plan.n_start <= _MOST_READ_TOKENS:
                    self._restoration = self._cache.restore(_SEQ, plan, is_request=False)
                    self._restoration.restore_next()
                    return True
            self._now = None
        return False


def _continues(tokens: Tokens, left: _Left, namespace: str) -> bool:
    return namespace == left.namespace and n_equal(tokens, left.tokens) == len(left.tokens) < len(tokens)
