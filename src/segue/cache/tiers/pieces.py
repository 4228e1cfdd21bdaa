"""Divides a chain of cells into pieces that are loaded in one call each."""

from collections.abc import Iterable

from segue.cache.entries.entry import Entry
from segue.engine.state import Cells


def next_piece(entry: Entry, start: int, n_tokens: int | None, n_bytes_most: int) -> tuple[list[Cells], int]:
    """The next runs of cells for a sequence that holds `start` tokens of an entry, and the token at which they end.

    No token from `n_tokens` on is used, if it is given. All segments of the entry must be in memory.
    """
    assert entry.segment is not None, "a checkpoint in the tree has lost its cells"
    end = entry.n_covered if n_tokens is None else min(n_tokens, entry.n_covered)
    rest: list[tuple[Cells, int]] = []
    for segment in entry.segment.up():
        if segment.start < end:
            assert segment.cells is not None, "a segment is not in memory"
            rest.append((segment.cells, end))
            end = segment.start
        if segment.start <= start:
            break
    return first_piece(reversed(rest), n_bytes_most)


def first_piece(chain: Iterable[tuple[Cells, int]], n_bytes_most: int) -> tuple[list[Cells], int]:
    """The first runs of a chain, of about `n_bytes_most` in all, and the token at which they end.

    Each run comes with the token up to which it is used; only the last one of a piece may be used in part.
    """
    runs: list[Cells] = []
    n_bytes = n_end = 0
    for cells, end in chain:
        if runs and (n_end != runs[-1].end or n_bytes + cells.n_bytes > n_bytes_most):
            break
        runs.append(cells)
        n_bytes, n_end = n_bytes + cells.n_bytes, end
    return runs, n_end
