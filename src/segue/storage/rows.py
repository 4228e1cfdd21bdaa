"""The rows of the index: one for each segment and one for each checkpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import blake3
import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class SegmentRow:
    """Attention cells of the tokens from `start` on, which follow those of the segment in the file `parent`.

    `file` names it ("" until it is written) and takes `n_bytes` on disk.
    """

    namespace: str
    start: int
    tokens: Tokens = field(repr=False)
    file: str
    n_bytes: int
    parent: str | None = None

    @property
    def end(self) -> int:
        """The position after the last token."""
        return self.start + len(self.tokens)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class EntryRow:
    """A checkpoint whose tokens are the first `n_tokens` of the chain that ends in the file `segment`, or `tokens`.

    `file` holds its own state and its logits, `n_bytes` on disk; None: there is neither. Times are wall-clock seconds,
    given by the caller. `positions_digest` is opaque. `key` names it by its content (`keys.entry_key`); it is empty
    until the row is written.
    """

    key: bytes
    namespace: str
    n_tokens: int
    pos_min: int
    pos_max: int
    origin: str
    created: float
    last_used: float
    segment: str | None = None
    tokens: Tokens | None = field(default=None, repr=False)
    file: str | None = None
    n_bytes: int = 0
    has_logits: bool = False
    n_hits: int = 0
    pinned: bool = False
    positions_digest: str | None = None


_Row = TypeVar("_Row", SegmentRow, EntryRow)
_FLAGS = ("has_logits", "pinned")
_CHANGING = frozenset({"last_used", "n_hits", "pinned"})
_N_SEAL_BYTES = 16


def columns(kind: type[SegmentRow] | type[EntryRow]) -> str:
    """The column names of a kind of row, in SQL."""
    return ", ".join(field.name for field in fields(kind))


def stored(row: SegmentRow | EntryRow) -> dict[str, object]:
    """The values of a row by column, in the types that SQLite stores."""
    values = {field.name: getattr(row, field.name) for field in fields(row)}
    return values | {"tokens": None if row.tokens is None else row.tokens.astype("<i4", copy=False).tobytes()}


def seal(values: Mapping[str, object]) -> bytes:
    """A digest of a row's values by column, except those that change: it reveals bits that flipped on disk."""
    hashed = blake3.blake3()
    for name in sorted(values.keys() - _CHANGING):
        value = values[name]
        # SQLite returns numbers in the type of their column.
        value = float(value) if isinstance(value, int) else value
        data = value if isinstance(value, bytes) else repr(value).encode()
        hashed.update(f"{name} {type(value) is bytes} {len(data)} ".encode())
        hashed.update(data)
    return hashed.digest(_N_SEAL_BYTES)


def loaded(kind: type[_Row], values: Sequence[Any]) -> _Row:
    """The row with these values, which are in the order of `columns`; its tokens are read-only."""
    by_name = dict(zip((field.name for field in fields(kind)), values, strict=True))
    by_name |= {name: bool(by_name[name]) for name in _FLAGS if name in by_name}
    if by_name["tokens"] is not None:
        by_name["tokens"] = np.frombuffer(by_name["tokens"], "<i4")
    return kind(**by_name)
