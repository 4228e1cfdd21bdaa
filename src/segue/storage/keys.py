"""The keys by which entries are found: they follow from the content, so every writer computes the same key."""

from collections.abc import Sequence
from dataclasses import replace

import blake3
import numpy as np

from segue.storage.rows import EntryRow, SegmentRow, Tokens

N_BYTES_KEY = 16


def keyed(row: EntryRow, segments: Sequence[SegmentRow], fingerprint: str) -> EntryRow:
    """An entry's row with its key; its tokens are its own or those of its chain, root first. Any thread."""
    if row.tokens is not None:
        runs = [row.tokens]
    else:
        ends = [*(one.start for one in segments[1:]), row.n_tokens]
        runs = [one.tokens[: end - one.start] for one, end in zip(segments, ends, strict=True)]
    return replace(row, key=entry_key(fingerprint, row.namespace, *runs))


def entry_key(fingerprint: str, namespace: str, *runs: Tokens) -> bytes:
    """The key of the entry at the end of a path of consecutive runs of tokens, under a model's fingerprint.

    Any thread; linear in the tokens.
    """
    hashed = blake3.blake3(max_threads=1)
    for text in (fingerprint, namespace):
        data = text.encode()
        hashed.update(len(data).to_bytes(8, "little"))
        hashed.update(data)
    for tokens in runs:
        hashed.update(np.ascontiguousarray(tokens, "<i4").view(np.uint8).data)
    return hashed.digest(N_BYTES_KEY)
