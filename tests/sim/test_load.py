"""Load for a fleet."""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from segue.common_prefix import n_equal
from segue.sim.load import Load
from segue.sim.trace import Trace
from tests.sim.making import join, request, span

HEAD = span(64 * 10)
TRACE = Trace(
    "small",
    64,
    tuple(
        replace(request(join(HEAD, span(64 * k, 5000)), 20.0 * k, n_block=64), conversation=number)
        for number in range(2)
        for k in range(4)
    ),
)


def test_large_blocks_share_what_the_small_ones_did() -> None:
    load = Load(TRACE)
    assert load.n_block_tokens == 2048
    requests = list(load.requests(1, 300.0, 1))
    by_conversation: dict[int, list[int]] = {}
    for found in requests:
        by_conversation.setdefault(found.conversation, []).append(len(found.path))
        assert len(found.path) * 2048 <= found.n_prompt_tokens
    assert all(b - a == 2 for lengths in by_conversation.values() for a, b in pairwise(lengths))
    first, second = (found.path for found in requests[-2:])
    assert n_equal(first, second) in (0, len(first))


def test_users_share_nothing_and_begin_anywhere() -> None:
    requests = list(Load(TRACE).requests(50, 30.0, 1))
    heads: dict[int, int] = {}
    for found in requests:
        assert heads.setdefault(found.conversation, int(found.path[0])) == found.path[0]
    assert len(set(heads.values())) == len(heads)
    assert len({len(found.path) for found in requests}) > 1


def test_time_rises_and_ends() -> None:
    times = [found.at_s for found in Load(TRACE).requests(5, 200.0, 3)]
    assert np.all(np.diff(times) >= 0)
    assert times[-1] < 200.0
    assert len(times) > 5 * 5
