"""Chooses the replica of a fleet that serves a request."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.prefix.branch import Tokens
from segue.sim.cost import Cost
from segue.sim.request import TraceRequest

_SHARE: Final = 0.5
_GOLDEN: Final = 0x9E3779B1


class Routing(StrEnum):
    """A router's knowledge of a request: nothing, its session, its prompt, or the checkpoints of all replicas."""

    ROUND_ROBIN = "round-robin"
    SESSION = "session"
    PREFIX = "prefix"
    DEPTH = "depth"


Key = int


def keys(path: Tokens) -> Iterator[tuple[int, Key]]:
    """Each prefix of a path and a hash of it, the longest first."""
    for n in range(len(path), 0, -1):
        yield n, hash(path[:n].tobytes())


class PrefixIndex:
    """The replicas that hold a checkpoint at each path, and all paths that ever had one."""

    def __init__(self) -> None:
        self.holders: dict[Key, set[int]] = {}
        self.ever: set[Key] = set()

    def add(self, key: Key, replica: int) -> None:
        """Record that a replica took a checkpoint."""
        self.holders.setdefault(key, set()).add(replica)
        self.ever.add(key)

    def remove(self, key: Key, replica: int) -> None:
        """Record that a replica dropped a checkpoint."""
        holders = self.holders[key]
        holders.discard(replica)
        if not holders:
            del self.holders[key]


class Router:
    """Chooses replicas by one rule. `free_at` is the time at which each has read its queue, in seconds."""

    def __init__(
        self, routing: Routing, index: PrefixIndex, cost: Cost, free_at: NDArray[np.float64], n_block: int
    ) -> None:
        self._routing = routing
        self._index = index
        self._cost = cost
        self._free_at = free_at
        self._n_block = n_block
        self._n_routed = 0
        self._n_sent = np.zeros(len(free_at), dtype=np.int64)
        self._last: dict[Key, int] = {}

    def choose(self, request: TraceRequest) -> int:
        """The replica for a request.

        Round-robin takes the next replica, session a hash of the conversation. Prefix takes the replica that last
        received the longest prefix of the prompt, if that is half of it, and otherwise the one that is free first.
        Depth compares the replicas that hold the deepest checkpoint and the one that is free first, and takes the one
        with the soonest first token. Of several free replicas, the one with the fewest requests is chosen.
        """
        chosen = self._choose(request)
        self._n_routed += 1
        self._n_sent[chosen] += 1
        return chosen

    def _choose(self, request: TraceRequest) -> int:
        if self._routing is Routing.ROUND_ROBIN:
            return self._n_routed % len(self._free_at)
        if self._routing is Routing.SESSION:
            return request.conversation * _GOLDEN % (1 << 32) * len(self._free_at) >> 32
        waits = np.maximum(self._free_at - request.at_s, 0.0)
        soonest = np.flatnonzero(waits == waits.min())
        idle = int(soonest[self._n_sent[soonest].argmin()])
        return self._by_prefix(request, idle) if self._routing is Routing.PREFIX else self._by_depth(request, idle)

    def _by_prefix(self, request: TraceRequest, idle: int) -> int:
        known = list(keys(request.path))
        chosen = idle
        for n, key in known:
            if n < _SHARE * len(request.path):
                break
            if key in self._last:
                chosen = self._last[key]
                break
        self._last.update((key, chosen) for _, key in known)
        return chosen

    def _by_depth(self, request: TraceRequest, idle: int) -> int:
        n_prompt = request.n_prompt_tokens
        best = (self._wait_s(idle, request) + self._cost.first_token_s(n_prompt, 0), idle)
        for n, key in keys(request.path):
            if holders := self._index.holders.get(key):
                first_s = self._cost.first_token_s(n_prompt, n * self._n_block)
                return min(best, *((self._wait_s(i, request) + first_s, i) for i in holders))[1]
        return best[1]

    def _wait_s(self, replica: int, request: TraceRequest) -> float:
        return max(0.0, float(self._free_at[replica]) - request.at_s)
