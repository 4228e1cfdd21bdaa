"""Pieces of a chain follow one another, and hold all of it."""

import random
from itertools import pairwise

import numpy as np
import pytest

from segue.cache.entries.entry import Entry, Layout
from segue.cache.entries.segment import Segment
from segue.cache.tiers.pieces import next_piece
from segue.engine.state import Cells
from segue.prefix.checkpoint import Origin
from segue.prefix.tree import Tree

N_MOST = 50


def chain(rng: random.Random) -> Entry:
    """An entry on a chain of segments, of which some are used in part."""
    segment, start = Segment.root(), 0
    for _ in range(rng.randint(1, 12)):
        end = start + rng.choice((1, 3, 20, 60))
        segment = Segment(
            parent=segment,
            start=start,
            tokens=np.zeros(end - start, np.int32),
            cells=Cells({}, start, end),
        )
        start = end if rng.random() < 0.5 else rng.randint(start + 1, end)
    entry = Entry(
        tree=Tree[Entry](),
        layout=Layout(is_segmented=True, needs_state=False),
        n_tokens=start,
        pos_min=0,
        pos_max=start - 1,
        origin=Origin.MESSAGE_END,
        created=0.0,
        last_used=0.0,
    )
    entry.segment, entry.n_covered = segment, start
    return entry


@pytest.mark.parametrize("seed", range(200))
def test_pieces_hold_each_token_once_and_in_order(seed: int) -> None:
    rng = random.Random(seed)
    entry = chain(rng)
    n_tokens = rng.choice((None, rng.randint(1, entry.n_tokens)))
    wanted = [(one.cells, end) for one, end in entry.segment.chain(entry.n_covered)] if entry.segment else []
    n_all = entry.n_tokens if n_tokens is None else n_tokens
    at, used = 0, []
    while at < n_all:
        runs, end = next_piece(entry, at, n_tokens, N_MOST)
        assert runs[0].start == at
        assert all(a.end == b.start for a, b in pairwise(runs)), "only the last is used in part"
        assert at < end <= min(n_all, runs[-1].end)
        assert len(runs) == 1 or runs[-1].end - at <= N_MOST
        used += runs
        at = end
    assert at == n_all
    assert used == [cells for cells, _ in wanted[: len(used)]]
    starts = [cells.start for cells, _ in wanted if cells is not None]
    assert len(used) == sum(start < n_all for start in starts)


@pytest.mark.parametrize("seed", range(50))
def test_a_sequence_that_ends_inside_a_run_gets_that_run_again(seed: int) -> None:
    rng = random.Random(seed)
    entry = chain(rng)
    at = rng.randrange(entry.n_tokens)
    runs, end = next_piece(entry, at, None, N_MOST)
    assert runs[0].start <= at < end
