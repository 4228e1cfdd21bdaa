"""The texts of the last requests, and where each of their short token sequences stood last."""

import hashlib
from array import array
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int32]

_N_KEYS: Final = (8, 3)
"""The lengths of the sequences that are looked up, the longest first: the longer, the likelier is what came next."""
_N_MATCH_MOST: Final = 32
_FACTOR: Final = 0x9E3779B97F4A7C15
_64_BITS: Final = 2**64 - 1
_N_OFFSET_BITS: Final = 32


@dataclass(slots=True, eq=False)
class Run:
    """Consecutive tokens of one namespace, to which a running reply appends."""

    id: int
    namespace: str
    salt: int
    tokens: "array[int]" = field(default_factory=lambda: array("i"), repr=False)


@dataclass(frozen=True, slots=True)
class Continuation:
    """What came next, the last time: up to as many tokens as asked for. The `n_match` tokens before it were equal."""

    tokens: "array[int]" = field(repr=False)
    n_match: int


class History:
    """The runs of all namespaces, at most `n_tokens_most` tokens in all: the oldest run is forgotten first.

    Memory: `n_bytes_most`, about 36 bytes a token, all but 4 of them allocated at once. Belongs to one thread. A hash
    finds a place; the tokens there prove it, and only runs of the same namespace are searched.
    """

    def __init__(self, n_tokens_most: int) -> None:
        self._n_most = n_tokens_most
        self._n_tokens = 0
        self._next_id = 1
        self._runs: OrderedDict[int, Run] = OrderedDict()
        n_slots = _n_slots(n_tokens_most)
        self._shift = 64 - (n_slots - 1).bit_length()
        self._table = np.zeros(n_slots, np.int64)

    def begin(self, namespace: str, tokens: Tokens) -> Run:
        """Start a run with these tokens, of which a reply is to follow."""
        run = Run(self._next_id, namespace, _salt(namespace))
        self._next_id += 1
        self._runs[run.id] = run
        run.tokens.frombytes(np.ascontiguousarray(tokens[-self._n_most :], np.int32).tobytes())
        self._n_tokens += len(run.tokens)
        self._index(run)
        self._forget()
        return run

    def append(self, run: Run, token: int) -> None:
        """Add the next token of a reply to its run."""
        tokens = run.tokens
        n = len(tokens)
        # Only what something follows is worth finding.
        for n_key in _N_KEYS:
            if n >= n_key:
                self._table[self._slot(tokens[n - n_key :], run.salt)] = run.id << _N_OFFSET_BITS | n
        tokens.append(token)
        if run.id in self._runs:
            self._n_tokens += 1
            self._forget()

    def knows(self, namespace: str, tokens: Tokens) -> bool:
        """Whether a run of the namespace holds the last tokens of this text, as many as are ever compared."""
        tail = array("i", np.ascontiguousarray(tokens[-_N_MATCH_MOST:], np.int32).tobytes())
        found = self._find(namespace, _salt(namespace), tail, 0)
        return found is not None and found.n_match == len(tail)

    def follow(self, run: Run, n: int) -> Continuation | None:
        """What followed the last tokens of a run the last time they stood in its namespace; None if they never did."""
        return self._find(run.namespace, run.salt, run.tokens[-_N_MATCH_MOST:], n)

    def _find(self, namespace: str, salt: int, tail: "array[int]", n: int) -> Continuation | None:
        for n_key in _N_KEYS:
            if len(tail) < n_key:
                continue
            key = tail[-n_key:]
            place = int(self._table[self._slot(key, salt)])
            run, end = self._runs.get(place >> _N_OFFSET_BITS), place & (1 << _N_OFFSET_BITS) - 1
            if run is None or run.namespace != namespace or run.tokens[end - n_key : end] != key:
                continue
            return Continuation(run.tokens[end : end + n], self._n_match(run.tokens, end, tail, n_key))
        return None

    @staticmethod
    def _n_match(tokens: "array[int]", end: int, tail: "array[int]", n_key: int) -> int:
        """How many tokens before `end` equal those at the end of `tail`."""
        n = n_key
        while n < len(tail) and n < end and tokens[end - n - 1] == tail[-n - 1]:
            n += 1
        return n

    def _slot(self, key: "array[int]", salt: int) -> int:
        found = salt
        for token in key:
            found = (found ^ token) * _FACTOR & _64_BITS
        return found >> self._shift

    def _index(self, run: Run) -> None:
        """Enter all sequences of a new run into the table."""
        tokens = np.frombuffer(run.tokens, np.int32).astype(np.uint64)
        for n_key in _N_KEYS:
            n = len(tokens) - n_key
            if n < 1:
                continue
            slots = np.full(n, run.salt, np.uint64)
            for i in range(n_key):
                slots = (slots ^ tokens[i : i + n]) * np.uint64(_FACTOR)
            ends = np.arange(n_key, n_key + n, dtype=np.int64)
            self._table[slots >> np.uint64(self._shift)] = run.id << _N_OFFSET_BITS | ends

    def _forget(self) -> None:
        while self._n_tokens > self._n_most and len(self._runs) > 1:
            _, run = self._runs.popitem(last=False)
            self._n_tokens -= len(run.tokens)


def _salt(namespace: str) -> int:
    """What the hashes of a namespace begin with, so that no other's tokens fall on the same places."""
    return int.from_bytes(hashlib.blake2b(namespace.encode(), digest_size=8).digest(), "big")


def n_bytes_most(n_tokens_most: int) -> int:
    """The memory that so many tokens take."""
    return 8 * _n_slots(n_tokens_most) + 4 * n_tokens_most


def _n_slots(n_tokens_most: int) -> int:
    return 1 << max(14, (4 * n_tokens_most - 1).bit_length())
