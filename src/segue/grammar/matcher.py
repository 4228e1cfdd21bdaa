"""How far one reply has come in its grammar."""

import numpy as np
from llguidance import LLMatcher
from numpy.typing import NDArray

from segue.engine.errors import MaskError
from segue.grammar.errors import plain


class Matcher:
    """The engine's `Mask` over llguidance. Not thread-safe; `state` is the matcher's own from now on."""

    def __init__(self, state: LLMatcher, n_tokens: int, n_bits: int) -> None:
        self._state = state
        self._n_tokens = n_tokens
        self._bits = np.zeros(-(-n_bits // 32), np.uint32)
        self._allowed: NDArray[np.intp] | None = None

    def allowed(self) -> NDArray[np.intp]:
        """Ids of the tokens that may come next, ascending. Raises MaskError if finding them takes too much."""
        if self._allowed is None:
            self._state.unsafe_compute_mask_ptr(self._bits.ctypes.data, self._bits.nbytes)
            self._check()
            flags = np.unpackbits(self._bits.view(np.uint8), count=self._n_tokens, bitorder="little")
            self._allowed = np.flatnonzero(flags.view(np.bool_))
        return self._allowed

    def accept(self, token: int) -> None:
        """Go on with one of the allowed tokens."""
        self._state.consume_token(token)
        self._check()
        self._allowed = None

    def _check(self) -> None:
        if self._state.is_error():
            raise MaskError(f"the reply cannot go on in its grammar: {plain(self._state.get_error())}")
