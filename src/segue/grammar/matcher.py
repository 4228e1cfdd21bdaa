"""How far one reply has come in its grammar."""

import numpy as np
from llguidance import LLMatcher
from numpy.typing import NDArray

from segue.engine.base import Choice
from segue.engine.errors import MaskError
from segue.grammar.errors import plain


class Matcher:
    """The engine's `Mask` over llguidance. Not thread-safe; `state` is the matcher's own from now on."""

    def __init__(self, state: LLMatcher, n_tokens: int, n_bits: int) -> None:
        self._state = state
        self._n_tokens = n_tokens
        self._bits, self._last_bits = np.zeros((2, -(-n_bits // 32)), np.uint32)
        self._choice = Choice(np.empty(0, np.intp))
        self._is_known = False

    def choice(self) -> Choice:
        """The tokens that may come next. Raises MaskError if finding them takes too much."""
        if not self._is_known:
            self._state.unsafe_compute_mask_ptr(self._bits.ctypes.data, self._bits.nbytes)
            self._check()
            # Within a string most masks are the one before.
            if not np.array_equal(self._bits, self._last_bits):
                self._choice = _choice(self._bits, self._n_tokens)
                self._last_bits[:] = self._bits
            self._is_known = True
        return self._choice

    def accept(self, token: int) -> None:
        """Go on with one of the tokens that may come next."""
        self._state.consume_token(token)
        self._check()
        self._is_known = False

    def _check(self) -> None:
        if self._state.is_error():
            raise MaskError(f"the reply cannot go on in its grammar: {plain(self._state.get_error())}")


def _choice(bits: NDArray[np.uint32], n_tokens: int) -> Choice:
    """A mask as the shorter list: of the tokens in it, or of those that are not."""
    is_rest = 2 * int(np.bitwise_count(bits).sum()) > n_tokens
    ids = _ones(~bits if is_rest else bits)
    return Choice(ids[: np.searchsorted(ids, n_tokens)], is_rest)


def _ones(bits: NDArray[np.uint32]) -> NDArray[np.intp]:
    """Which bits are set."""
    words = np.flatnonzero(bits)
    flags = np.unpackbits(bits[words].view(np.uint8), bitorder="little")
    ones = np.flatnonzero(flags.view(np.bool_))
    ids: NDArray[np.intp] = 32 * words[ones >> 5] + (ones & 31)
    return ids
