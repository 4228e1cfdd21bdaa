"""The paths of lost checkpoints, as far as their rows are legible."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from segue.storage.rows import EntryRow, SegmentRow, Tokens


def lost_paths(checkpoints: Iterable[EntryRow], segments: Mapping[str, SegmentRow]) -> Iterator[tuple[str, Tokens]]:
    """The namespace and the path of each checkpoint. Lazy; checkpoints whose rows lead nowhere are left out.

    The rows may be damaged, so a path may never have been read by anyone: use it for nothing but the reason in a
    report.
    """
    for row in checkpoints:
        tokens = row.tokens if row.segment is None else _path(row, segments)
        if tokens is not None and 0 < len(tokens) == row.n_tokens:
            yield row.namespace, tokens


def _path(row: EntryRow, segments: Mapping[str, SegmentRow]) -> Tokens | None:
    """The first `n_tokens` of the chain that ends in the checkpoint's segment; None if it is torn."""
    parts: list[Tokens] = []
    end, file = row.n_tokens, row.segment
    # Each step must lead nearer to the beginning, so a damaged row cannot cause an endless loop.
    while file is not None:
        segment = segments.get(file)
        if segment is None or not 0 <= segment.start < end <= segment.end:
            return None
        parts.append(segment.tokens[: end - segment.start])
        end, file = segment.start, segment.parent
    return np.concatenate(parts[::-1]) if end == 0 else None
