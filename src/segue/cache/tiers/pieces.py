"""Divides a chain of cells into pieces that are loaded in one call each."""

from collections.abc import Iterable

from segue.cache.entries.entry import Entry
from segue.engine.state import Cells


def next_piece(entry: Entry, start: int, n_tokens: int | None, n_most: int) -> tuple[list[Cells], int]:
    """The next runs of cells for a sequence that holds `start` tokens of an entry, and the token at which they end.

    A piece has about `n_most` tokens, none from `n_tokens` on if that is given. All segments must be in memory.
    """
    assert entry.segment is not None, "a checkpoint in the tree has lost its cells"
    segment, end = entry.segment, entry.n_covered
    last = start + n_most if n_tokens is None else min(start + n_most, n_tokens)
    # A chain may have thousands of segments, most of them behind the piece.
    while segment.start >= last and segment.parent is not None:
        segment, end = segment.parent, segment.start
    rest: list[tuple[Cells, int]] = []
    while end > start and segment.parent is not None:
        assert segment.cells is not None, "a segment is not in memory"
        rest.append((segment.cells, end if n_tokens is None else min(end, n_tokens)))
        segment, end = segment.parent, segment.start
    return first_piece(reversed(rest), n_most)


def first_piece(chain: Iterable[tuple[Cells, int]], n_most: int) -> tuple[list[Cells], int]:
    """The first runs of a chain, of about `n_most` tokens in all, and the token at which they end.

    Each run comes with the token up to which it is used; only the last one of a piece may be used in part.
    """
    runs: list[Cells] = []
    n_end = 0
    for cells, end in chain:
        if runs and (n_end != runs[-1].end or cells.end - runs[0].start > n_most):
            break
        runs.append(cells)
        n_end = end
    return runs, n_end
