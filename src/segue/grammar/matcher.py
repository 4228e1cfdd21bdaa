"""The position of one reply in its grammar."""

from collections.abc import Callable

import numpy as np
from llguidance import LLMatcher
from numpy.typing import NDArray

from segue.engine.base import Choice
from segue.engine.errors import MaskError
from segue.grammar.errors import plain


class Matcher:
    """The engine's `Mask` over llguidance. Not thread-safe; `state` is the matcher's own from now on.

    `state` knows `n_bits` tokens, of which the first `n_tokens` exist. `afresh` makes one at the start of a reply that
    shares nothing with others.
    """

    def __init__(self, state: LLMatcher, afresh: Callable[[], LLMatcher], n_tokens: int, n_bits: int) -> None:
        self._state = state
        self._afresh: Callable[[], LLMatcher] | None = afresh
        self._said: list[int] = []
        self._n_tokens = n_tokens
        self._n_bytes = 4 * -(-n_bits // 32)
        self._bits = np.zeros(-(-n_bits // 64), np.uint64)
        self._pointer = self._bits.ctypes.data
        self._last = b""
        self._choice = Choice(np.empty(0, np.intp))
        self._is_known = False

    def choice(self) -> Choice:
        """The tokens that may come next. Raises MaskError if finding them takes too much."""
        if not self._is_known:
            self._state.unsafe_compute_mask_ptr(self._pointer, self._n_bytes)
            if self._has_to_go_alone():
                self._state.unsafe_compute_mask_ptr(self._pointer, self._n_bytes)
            self._check()
            # Within a string most masks are the one before.
            mask = self._bits.tobytes()
            if mask != self._last:
                self._choice, self._last = self._list(), mask
            self._is_known = True
        return self._choice

    def accept(self, token: int) -> None:
        """Go on with one of the tokens that may come next."""
        self._said.append(token)
        self._state.consume_token(token)
        self._has_to_go_alone()
        self._check()
        self._is_known = False

    def _has_to_go_alone(self) -> bool:
        """Whether the lexer that replies share was full; then the reply's tokens are repeated to a lexer of its own."""
        if self._afresh is None or not self._state.is_error() or "too many" not in self._state.get_error():
            return False
        self._state, self._afresh = self._afresh(), None
        self._state.consume_tokens(self._said)
        return True

    def _check(self) -> None:
        if self._state.is_error():
            raise MaskError(f"the reply cannot go on in its grammar: {plain(self._state.get_error())}")

    def _list(self) -> Choice:
        """The mask as the shorter list: of the tokens in it, or of those that are not."""
        is_rest = 2 * int(np.bitwise_count(self._bits).sum()) > self._n_tokens
        bits = ~self._bits if is_rest else self._bits
        words = np.flatnonzero(bits != 0)
        flags = np.unpackbits(bits[words].view(np.uint8), bitorder="little")
        ones = np.flatnonzero(flags.view(np.bool_))
        ids: NDArray[np.intp] = 64 * words[ones >> 6] + (ones & 63)
        return Choice(ids[: ids.searchsorted(self._n_tokens)], is_rest)
