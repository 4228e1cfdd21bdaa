"""Remembers how texts were tokenised."""

import sys
import threading
from collections import OrderedDict
from typing import NamedTuple


class _Tokenised(NamedTuple):
    """Tokens, and the bytes that they and their text took at first: Python may give a text a second form later."""

    tokens: bytes
    n_bytes: int


class TokenMemory:
    """Tokens of texts, as bytes; the least recently used are forgotten beyond `n_bytes`. Any thread.

    Texts are kept whole, so a hit is a proof. They stay in this process. Nothing is found across namespaces.
    """

    def __init__(self, n_bytes: int) -> None:
        self._n_bytes_left = n_bytes
        self._tokens: OrderedDict[tuple[str, str], _Tokenised] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, namespace: str, text: str) -> bytes | None:
        """The tokens put for `text` in `namespace`, if they are still known."""
        with self._lock:
            entry = self._tokens.get((namespace, text))
            if entry is None:
                return None
            self._tokens.move_to_end((namespace, text))
            return entry.tokens

    def put(self, namespace: str, text: str, tokens: bytes) -> None:
        """Remember the tokens of `text`."""
        with self._lock:
            if (namespace, text) in self._tokens:
                return
            entry = _Tokenised(tokens, _n_bytes(text, tokens))
            self._tokens[namespace, text] = entry
            self._n_bytes_left -= entry.n_bytes
            while self._n_bytes_left < 0:
                self._n_bytes_left += self._tokens.popitem(last=False)[1].n_bytes


def _n_bytes(text: str, tokens: bytes) -> int:
    """The bytes that an entry takes, the dictionary's part included."""
    return sys.getsizeof(text) + sys.getsizeof(tokens) + 200
