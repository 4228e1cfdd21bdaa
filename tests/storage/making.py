"""Rows and arrays to store."""

import numpy as np
from numpy.typing import NDArray

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
    """A checkpoint of a chain that is given with it."""
    return EntryRow("", n_tokens, 0, n_tokens - 1, "message_end", 1.5, 2.5, file=file, n_bytes=7, **more)  # type: ignore[arg-type]


def alone(n_tokens: int, file: str | None = None, **more: object) -> EntryRow:
    """A checkpoint that needs no chain."""
    return on_chain(n_tokens, file, tokens=np.arange(n_tokens, dtype=np.int32), **more)
