"""Rows and arrays to store."""

import numpy as np
from numpy.typing import NDArray

from segue.storage.keys import entry_key
from segue.storage.rows import EntryRow, SegmentRow


def noise(n: int, seed: int = 0) -> NDArray[np.uint8]:
    """Bytes that no codec packs."""
    return np.random.default_rng(seed).integers(0, 256, n, np.uint8)


def halves(n: int, seed: int = 0) -> NDArray[np.uint8]:
    """16-bit floats as attention writes them: the exponents are alike, the rest is noise."""
    return np.random.default_rng(seed).normal(size=n // 2).astype(np.float16).view(np.uint8)


def segment(start: int, n: int, file: str, **more: object) -> SegmentRow:
    tokens = np.arange(start, start + n, dtype=np.int32)
    return SegmentRow("", start, tokens, file, 10, **more)  # type: ignore[arg-type]


def on_chain(n_tokens: int, file: str | None = None, **more: object) -> EntryRow:
    """A checkpoint of a chain that is given with it; its key is that of the tokens from 0 on, unless one is given."""
    values = {"key": key(n_tokens), "file": file, "n_bytes": 7} | more
    return EntryRow(
        namespace="",
        n_tokens=n_tokens,
        pos_min=0,
        pos_max=n_tokens - 1,
        origin="message_end",
        created=1.5,
        last_used=2.5,
        **values,  # type: ignore[arg-type]
    )


def alone(n_tokens: int, file: str | None = None, **more: object) -> EntryRow:
    """A checkpoint that needs no chain."""
    return on_chain(n_tokens, file, tokens=np.arange(n_tokens, dtype=np.int32), **more)


def key(n_tokens: int) -> bytes:
    """The key of so many tokens from 0 on."""
    return entry_key("{}", "", np.arange(n_tokens, dtype=np.int32))
