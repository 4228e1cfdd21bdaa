"""The load of a fleet: many more simultaneous conversations than a recording has."""

from collections.abc import Iterator
from dataclasses import replace
from heapq import heapify, heappop, heapreplace
from itertools import groupby
from random import Random
from typing import Final

import numpy as np

from segue.prefix.branch import Tokens
from segue.sim.request import TraceRequest
from segue.sim.trace import PAUSE_S, Trace, gap_s

N_BLOCK_TOKENS: Final = 2048


class Load:
    """Conversations of a recording in large blocks, replayed by any number of users who share nothing.

    A prompt of 100,000 tokens is some 50 blocks of 2,048, so that fleets of thousands fit into memory. This costs
    every rule a few hits alike.
    """

    def __init__(self, trace: Trace) -> None:
        n = max(1, N_BLOCK_TOKENS // trace.n_block_tokens)
        self.n_block_tokens = n * trace.n_block_tokens
        in_order = sorted(trace.requests, key=lambda request: (request.conversation, request.at_s))
        grouped = groupby(in_order, key=lambda request: request.conversation)
        self._conversations = [[replace(r, path=_coarse(r.path, n)) for r in group] for _, group in grouped]

    def requests(self, n_users: int, seconds: float, seed: int) -> Iterator[TraceRequest]:
        """The requests of so many users in so many seconds, by rising time.

        Each user starts at a random request of a conversation, continues it as in the recording, and starts another
        one 10 s after its end. `conversation` numbers them all.
        """
        draw = Random(seed)
        n_begun = 0
        events = []
        for user in range(n_users):
            conversation = draw.choice(self._conversations)
            events.append((draw.uniform(0.0, 60.0), user, n_begun, draw.randrange(len(conversation)), conversation))
            n_begun += 1
        heapify(events)
        while events:
            at_s, user, number, k, conversation = events[0]
            if at_s >= seconds:
                heappop(events)
                continue
            request = conversation[k]
            path = _salted(request.path, number)
            yield replace(request, conversation=number, at_s=at_s, path=path, user_starts=())
            if k + 1 < len(conversation):
                event = (at_s + gap_s(conversation[k], conversation[k + 1]), user, number, k + 1, conversation)
            else:
                event = (at_s + PAUSE_S, user, n_begun, 0, draw.choice(self._conversations))
                n_begun += 1
            heapreplace(events, event)


def _coarse(path: Tokens, n: int) -> Tokens:
    """One id for each run of `n` blocks: a hash of their ids."""
    runs = path[: len(path) // n * n].reshape(-1, n).astype(np.uint32)
    weights = np.random.default_rng(0).integers(1 << 31, size=n, dtype=np.uint32) | 1
    hashes: Tokens = (runs * weights).sum(axis=1, dtype=np.uint32).astype(np.int32)
    return hashes


def _salted(path: Tokens, number: int) -> Tokens:
    """The same path for another user: all ids are different, and equal ids stay equal."""
    salt = np.uint32(number * 0x9E3779B1 & 0xFFFFFFFF)
    return (path.view(np.uint32) ^ salt).view(np.int32)
