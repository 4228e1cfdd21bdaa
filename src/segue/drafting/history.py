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
_POWERS: Final = tuple(pow(_FACTOR, n_key, 2**64) for n_key in _N_KEYS)


@dataclass(slots=True, eq=False)
class Run:
    """Consecutive tokens of one namespace, to which a running reply appends.

    `hashes` are those of its last tokens, one for each length that is looked up.
    """

    id: int
    namespace: str
    salt: int
    tokens: "array[int]" = field(default_factory=lambda: array("i"), repr=False)
    hashes: list[int] = field(default_factory=list, repr=False)


@dataclass(frozen=True, slots=True)
class Continuation:
    """The tokens that came next the last time, at most as many as asked for. The `n_match` before them were equal."""

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
        run.hashes = _hashes(run.tokens)
        self._n_tokens += len(run.tokens)
        self._index(run)
        self._forget()
        return run

    def append(self, run: Run, token: int) -> None:
        """Add the next token of a reply to its run."""
        tokens, hashes = run.tokens, run.hashes
        n = len(tokens)
        for i, n_key in enumerate(_N_KEYS):
            found = hashes[i]
            hashes[i] = found * _FACTOR + token
            if n >= n_key:
                # Only what something follows is worth finding.
                self._table[self._slot(found, run.salt)] = run.id << _N_OFFSET_BITS | n
                hashes[i] -= tokens[n - n_key] * _POWERS[i]
            hashes[i] &= _64_BITS
        tokens.append(token)
        if run.id in self._runs:
            self._n_tokens += 1
            self._forget()

    def knows(self, namespace: str, tokens: Tokens) -> bool:
        """Whether a run of the namespace holds the last tokens of this text, as many as are ever compared."""
        tail = array("i", np.ascontiguousarray(tokens[-_N_MATCH_MOST:], np.int32).tobytes())
        found = self._find(namespace, _salt(namespace), tail, _hashes(tail), 0)
        return found is not None and found.n_match == len(tail)

    def follow(self, run: Run, n: int) -> Continuation | None:
        """The tokens behind the last ones of a run where those last stood in its namespace; None if they never did."""
        return self._find(run.namespace, run.salt, run.tokens, run.hashes, n)

    def _find(self, namespace: str, salt: int, tail: "array[int]", hashes: list[int], n: int) -> Continuation | None:
        for n_key, one in zip(_N_KEYS, hashes, strict=True):
            if len(tail) < n_key:
                continue
            place = int(self._table[self._slot(one, salt)])
            run, end = self._runs.get(place >> _N_OFFSET_BITS), place & (1 << _N_OFFSET_BITS) - 1
            if run is None or run.namespace != namespace or run.tokens[end - n_key : end] != tail[-n_key:]:
                continue
            return Continuation(run.tokens[end : end + n], self._n_match(run.tokens, end, tail, n_key))
        return None

    @staticmethod
    def _n_match(tokens: "array[int]", end: int, tail: "array[int]", n_key: int) -> int:
        """How many tokens before `end` equal those at the end of `tail`."""
        n, n_most = n_key, min(_N_MATCH_MOST, len(tail), end)
        while n < n_most and tokens[end - n - 1] == tail[-n - 1]:
            n += 1
        return n

    def _slot(self, found: int, salt: int) -> int:
        return ((found ^ salt) * _FACTOR & _64_BITS) >> self._shift

    def _index(self, run: Run) -> None:
        """Enter all sequences of a new run into the table."""
        tokens = np.frombuffer(run.tokens, np.int32).astype(np.uint64)
        for n_key in _N_KEYS:
            n = len(tokens) - n_key
            if n < 1:
                continue
            hashes = np.zeros(n, np.uint64)
            for i in range(n_key):
                hashes = hashes * np.uint64(_FACTOR) + tokens[i : i + n]
            slots = (hashes ^ np.uint64(run.salt)) * np.uint64(_FACTOR) >> np.uint64(self._shift)
            ends = np.arange(n_key, n_key + n, dtype=np.int64)
            self._table[slots] = run.id << _N_OFFSET_BITS | ends

    def _forget(self) -> None:
        while self._n_tokens > self._n_most and len(self._runs) > 1:
            _, run = self._runs.popitem(last=False)
            self._n_tokens -= len(run.tokens)


def _hashes(tokens: "array[int]") -> list[int]:
    """The hashes of the last tokens, one for each length that is looked up; of all of them, where there are fewer."""
    found = []
    for n_key in _N_KEYS:
        one = 0
        for token in tokens[-n_key:]:
            one = one * _FACTOR + token & _64_BITS
        found.append(one)
    return found


def _salt(namespace: str) -> int:
    """What all hashes of a namespace are mixed with, so that no other's tokens fall on the same places."""
    return int.from_bytes(hashlib.blake2b(namespace.encode(), digest_size=8).digest(), "big")


def n_bytes_most(n_tokens_most: int) -> int:
    """The memory that so many tokens take."""
    return 8 * _n_slots(n_tokens_most) + 4 * n_tokens_most


def _n_slots(n_tokens_most: int) -> int:
    return 1 << max(14, (4 * n_tokens_most - 1).bit_length())
