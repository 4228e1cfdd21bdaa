"""The paths of checkpoints that are lost, as far as their rows tell."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from segue.storage.rows import EntryRow, SegmentRow, Tokens


def lost_paths(checkpoints: Iterable[EntryRow], segments: Mapping[str, SegmentRow]) -> Iterator[tuple[str, Tokens]]:
    """The scope and the path of each checkpoint. Lazy; those whose rows lead nowhere are left out.

    The rows may be damaged, so that a path may be one that nobody ever read: nothing but a reason may rest on it.
    """
    for row in checkpoints:
        tokens = row.tokens if row.segment is None else _path(row, segments)
        if tokens is not None and 0 < len(tokens) == row.n_tokens:
            yield row.scope, tokens


def _path(row: EntryRow, segments: Mapping[str, SegmentRow]) -> Tokens | None:
    """The first `n_tokens` of the chain that ends in the checkpoint's segment; None if it is torn."""
    parts: list[Tokens] = []
    end, file = row.n_tokens, row.segment
    # Each step leads nearer to the beginning, so that no row can send it round in a circle.
    while file is not None:
        segment = segments.get(file)
        if segment is None or not 0 <= segment.start < end <= segment.end:
            return None
        parts.append(segment.tokens[: end - segment.start])
        end, file = segment.start, segment.parent
    return np.concatenate(parts[::-1]) if end == 0 else None
