"""One sequence of a draft model: it follows the paths of replies, one after another."""

from dataclasses import dataclass

import numpy as np

from segue.common_prefix import n_equal
from segue.drafting.drafter import Tokens
from segue.engine.base import Engine, Mark

N_SHADOWS = 2
"""Further sequences that a lane needs for what it may return to."""


@dataclass(slots=True, eq=False)
class _Point:
    """A point to which the lane can return; `shadow` is the sequence that is kept for it."""

    shadow: int
    mark: Mark | None = None


class DraftLane:
    """Sequence `seq` of a draft model, which has read `tokens`: text that is certain, and drafts behind it.

    It can return to where the drafts begin, and to the end of a prompt, which the next prompt may go on from.
    """

    def __init__(self, engine: Engine, seq: int, shadows: range) -> None:
        self._engine = engine
        self.seq = seq
        self.tokens: Tokens = np.empty(0, np.int32)
        self._prompt, self._certain = (_Point(shadow) for shadow in shadows)
        self._namespace = ""
        self.is_in_use = False

    def begin(self, namespace: str) -> None:
        """Draft for a reply of a namespace: nothing of another's is used, since drafts that come sooner tell of it."""
        if namespace != self._namespace:
            self.clear()
        self._namespace, self.is_in_use = namespace, True

    def n_shared(self, namespace: str, path: Tokens) -> int:
        """How many tokens of a namespace's path need not be read."""
        return self.n_common(path) if namespace == self._namespace else 0

    def n_common(self, path: Tokens) -> int:
        """How many tokens of a path the lane can start from, of those that it has read."""
        n = n_equal(self.tokens, path)
        if n == len(self.tokens) or self._engine.shape.kind.rewinds:
            return n
        return max((mark.n_tokens for mark in self._marks() if mark.n_tokens <= n), default=0)

    def follow(self, path: Tokens) -> Tokens:
        """Go back to where the lane can start from; returns what it has to read then, at least one token."""
        n = self.n_common(path[:-1])
        if n < len(self.tokens):
            self._return(n)
        return path[len(self.tokens) :]

    def read(self, tokens: Tokens) -> None:
        """The sequence has read further tokens."""
        self.tokens = np.concatenate([self.tokens, tokens])

    def mark(self, *, is_prompt: bool) -> None:
        """Keep the current point: all that was read is certain. Raises NoRoomError."""
        for point in (self._certain, self._prompt) if is_prompt else (self._certain,):
            self._release(point)
            point.mark = self._engine.mark(self.seq, point.shadow)

    def clear(self) -> None:
        """Forget everything."""
        self._engine.drop(self.seq)
        self._release(self._certain)
        self._release(self._prompt)
        self.tokens = self.tokens[:0]

    def _return(self, n_tokens: int) -> None:
        found = next((mark for mark in self._marks() if mark.n_tokens == n_tokens), None)
        if self._engine.shape.kind.rewinds and n_tokens:
            self._engine.rewind(self.seq, n_tokens)
        elif found is not None:
            self._engine.roll_back(self.seq, found)
        else:
            self.clear()
        for point in (self._certain, self._prompt):
            if point.mark is not None and point.mark.n_tokens > n_tokens:
                self._release(point)
        self.tokens = self.tokens[:n_tokens]

    def _marks(self) -> list[Mark]:
        return [point.mark for point in (self._certain, self._prompt) if point.mark is not None]

    def _release(self, point: _Point) -> None:
        if point.mark is not None:
            self._engine.release(point.mark)
            point.mark = None
