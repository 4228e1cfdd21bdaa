"""The paths of checkpoints that are lost, as far as their rows tell."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from segue.homes.disk.rows import CheckpointRow, LinkRow, Tokens


def lost_paths(checkpoints: Iterable[CheckpointRow], links: Mapping[int, LinkRow]) -> Iterator[tuple[str, Tokens]]:
    """The scope and the path of each checkpoint. Lazy; those whose rows lead nowhere are left out.

    The rows may be damaged, so that a path may be one that nobody ever read: nothing but a reason may rest on it.
    """
    for row in checkpoints:
        tokens = row.tokens if row.link is None else _path(row, links)
        if tokens is not None and 0 < len(tokens) == row.n_tokens:
            yield row.scope, tokens


def _path(row: CheckpointRow, links: Mapping[int, LinkRow]) -> Tokens | None:
    """The first `n_tokens` of the chain that ends in the checkpoint's link; None if it is torn."""
    parts: list[Tokens] = []
    end, number = row.n_tokens, row.link
    # Each step leads nearer to the beginning, so that no row can send it round in a circle.
    while number is not None:
        link = links.get(number)
        if link is None or not 0 <= link.start < end <= link.end:
            return None
        parts.append(link.tokens[: end - link.start])
        end, number = link.start, link.parent
    return np.concatenate(parts[::-1]) if end == 0 else None
