"""What models that are not served here have on disk: kept for when they come back, but not for ever."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from segue.storage.index import Index


@dataclass(frozen=True, slots=True)
class ForeignEntry:
    """An entry of another model, with what its file takes; `last_used` is in wall-clock seconds."""

    key: bytes
    model: int
    segment: str | None
    n_bytes: int
    last_used: float
    pinned: bool


@dataclass(slots=True)
class _Segments:
    """The segments of one model: each one's parent and size, and how many entries and segments need it."""

    parents: dict[str, tuple[str | None, int]] = field(default_factory=dict)
    n_needing: Counter[str | None] = field(default_factory=Counter)


class ForeignEntries:
    """The entries of models that are not served: the least recently used goes first, and pinned ones last."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._rows: list[ForeignEntry] = []
        self._segments: defaultdict[int, _Segments] = defaultdict(_Segments)

    def add(self, model: int) -> None:
        """Take in what the index has of a model."""
        segments = self._segments[model]
        for segment in self._index.segments(model):
            segments.parents[segment.file] = (segment.parent, segment.n_bytes)
            segments.n_needing[segment.parent] += 1
        for row in self._index.checkpoints(model):
            self._rows.append(ForeignEntry(row.key, model, row.segment, row.n_bytes, row.last_used, row.pinned))
            segments.n_needing[row.segment] += 1
        self._rows.sort(key=lambda row: (not row.pinned, -row.last_used))

    def remove(self, model: int) -> None:
        """Leave a model's entries out: it is served now."""
        self._rows = [row for row in self._rows if row.model != model]
        self._segments.pop(model, None)

    def first(self) -> ForeignEntry | None:
        """The one that goes next."""
        return self._rows[-1] if self._rows else None

    def pop(self) -> tuple[bytes, int]:
        """Take the first off; its key, and the bytes that go with it, its own and those of segments that it needed."""
        row = self._rows.pop()
        segments = self._segments[row.model]
        n_bytes, at = row.n_bytes, row.segment
        segments.n_needing[at] -= 1
        while at is not None and not segments.n_needing[at]:
            at, n_bytes_segment = segments.parents.pop(at)
            n_bytes += n_bytes_segment
            segments.n_needing[at] -= 1
        return row.key, n_bytes
