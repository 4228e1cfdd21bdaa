"""The last tokens that a sequence has read, with the hidden rows that its layers for drafting need."""

import numpy as np
from numpy.typing import NDArray

from segue.common_prefix import n_equal
from segue.engine.base import Tokens

Rows = NDArray[np.float32]

_N_KEPT = 24
"""Tokens kept once they are fed: as many as may be read again after a roll-back, and a few more."""


class HiddenTail:
    """The tokens `[start, end)` of a sequence, each with the hidden row of the token before it.

    The draft context has been fed all tokens before `n_fed`, or will never have them. A row that is not known is 0:
    drafts are then worse. It `is_of_use` unless tokens were passed over, because nothing was drafted for long.
    """

    def __init__(self, n_embd: int) -> None:
        self._n_embd = n_embd
        self._rows: Rows = np.zeros((1, n_embd), np.float32)
        self._n_rows = 1
        self._knows_first = True
        self.is_of_use = True
        self.start = 0
        self.n_fed = 0
        self.tokens: Tokens = np.empty(0, np.int32)

    @property
    def end(self) -> int:
        """How many tokens of the sequence are known."""
        return self.start + len(self.tokens)

    @property
    def n_unfed(self) -> int:
        """How many tokens can be fed."""
        return self.end - max(self.start, self.n_fed)

    def reset(self, start: int, row: Rows | None = None) -> None:
        """Continue after `start` tokens whose own rows are not known, except perhaps the last one's."""
        self._rows = np.zeros((1, self._n_embd), np.float32)
        self._knows_first = row is not None
        if row is not None:
            self._rows[0] = row
        self._n_rows = 1
        self.start, self.n_fed = start, min(self.n_fed, start)
        self.tokens = np.empty(0, np.int32)

    def read(self, start: int, tokens: Tokens, rows: Rows) -> None:
        """The sequence has read tokens from `start` on, with these hidden rows, perhaps some of them again."""
        n_before = start - self.start
        if not 0 <= n_before < self._n_rows:
            self.reset(start)
            n_before = 0
        self.n_fed = min(self.n_fed, start + n_equal(self.tokens[n_before:], tokens))
        self.tokens = np.concatenate([self.tokens[:n_before], tokens])
        n_rows = n_before + 1 + len(tokens)
        if n_rows > len(self._rows):
            grown = np.empty((n_rows + _N_KEPT, self._n_embd), np.float32)
            grown[: n_before + 1] = self._rows[: n_before + 1]
            self._rows = grown
        self._rows[n_before + 1 : n_rows] = rows
        self._n_rows = n_rows

    def follows(self, path: Tokens) -> bool:
        """Forget what is not on a path; whether all rows for its last token are known then."""
        self.truncate(self.start + n_equal(self.tokens, path[self.start : -1]))
        return self.end == len(path) - 1

    def truncate(self, end: int) -> None:
        """Forget the tokens after `end`."""
        if end < self.start:
            self.reset(end)
        n = min(len(self.tokens), end - self.start)
        self.tokens, self._n_rows = self.tokens[:n], min(self._n_rows, n + 1)
        self.n_fed = min(self.n_fed, end)

    def row(self, n_tokens: int) -> Rows | None:
        """The hidden row of the last of the first `n_tokens` tokens, None if it is not known."""
        i = n_tokens - self.start
        return self._rows[i] if 0 <= i < self._n_rows and (i or self._knows_first) else None

    def unfed(self, token: int | None = None) -> tuple[int, Tokens, Rows]:
        """The tokens to feed with their rows, and where they start; then one that the sequence has not read itself."""
        n_before = max(self.start, self.n_fed) - self.start
        tokens = self.tokens[n_before:]
        if token is not None:
            tokens = np.append(tokens, np.int32(token))
        return self.start + n_before, tokens, self._rows[n_before : n_before + len(tokens)]

    def fed(self, token: int | None = None) -> None:
        """All tokens have been fed, and then one that the sequence itself has not read yet."""
        if token is not None:
            self.tokens = np.append(self.tokens, np.int32(token))
        self.n_fed = self.end
        self.is_of_use = True
        self._shorten()

    def pass_over(self) -> None:
        """Never feed the tokens read so far, except the last ones."""
        self.is_of_use = False
        self._shorten()

    def _shorten(self) -> None:
        n_gone = len(self.tokens) - _N_KEPT
        if n_gone > 0:
            self.start += n_gone
            self.tokens = self.tokens[n_gone:].copy()
            self._n_rows -= n_gone
            self._knows_first = True
            self._rows = self._rows[n_gone : n_gone + self._n_rows + _N_KEPT].copy()

    def copy(self) -> "HiddenTail":
        """A tail of the same tokens."""
        other = HiddenTail(self._n_embd)
        other._rows, other._n_rows = self._rows[: self._n_rows].copy(), self._n_rows
        other._knows_first, other.is_of_use = self._knows_first, self.is_of_use
        other.start, other.n_fed, other.tokens = self.start, self.n_fed, self.tokens
        return other
