"""Remembers how texts were tokenised."""

import sys
import threading
from collections import OrderedDict


class TokenMemory:
    """Tokens of texts, as bytes; the least recently used are forgotten beyond `n_bytes`. Any thread.

    Texts are kept whole, so a hit is a proof. They stay in this process. Nothing is found across scopes.
    """

    def __init__(self, n_bytes: int) -> None:
        self._n_bytes_left = n_bytes
        self._tokens: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, scope: str, text: str) -> bytes | None:
        """The tokens put for `text` in `scope`, if they are still known."""
        with self._lock:
            tokens = self._tokens.get((scope, text))
            if tokens is not None:
                self._tokens.move_to_end((scope, text))
            return tokens

    def put(self, scope: str, text: str, tokens: bytes) -> None:
        """Remember the tokens of `text`."""
        with self._lock:
            if (scope, text) in self._tokens:
                return
            self._tokens[scope, text] = tokens
            self._n_bytes_left -= _n_bytes(text, tokens)
            while self._n_bytes_left < 0:
                (_, oldest), forgotten = self._tokens.popitem(last=False)
                self._n_bytes_left += _n_bytes(oldest, forgotten)


def _n_bytes(text: str, tokens: bytes) -> int:
    """What an entry costs, the dictionary's part included."""
    return sys.getsizeof(text) + sys.getsizeof(tokens) + 200
