"""What models that are not served here have on disk: kept for when they come back, but not for ever."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace

from segue.storage.index import Index
from segue.storage.rows import EntryRow


@dataclass(frozen=True, slots=True)
class ForeignEntry:
    """An entry of another model, by its row, without its tokens."""

    model: int
    row: EntryRow


@dataclass(slots=True)
class _Segments:
    """The segments of one model: each one's parent and size, and how many entries and segments need it."""

    parents: dict[str, tuple[str | None, int]] = field(default_factory=dict)
    n_needing: Counter[str | None] = field(default_factory=Counter)


class ForeignEntries:
    """The entries of models that are not served: the least recently used goes first, and pinned ones last."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._entries: list[ForeignEntry] = []
        self._segments: defaultdict[int, _Segments] = defaultdict(_Segments)

    def add(self, model: int) -> None:
        """Take in what the index has of a model."""
        segments = self._segments[model]
        for segment in self._index.segments(model):
            segments.parents[segment.file] = (segment.parent, segment.n_bytes)
            segments.n_needing[segment.parent] += 1
        for row in self._index.checkpoints(model):
            self._entries.append(ForeignEntry(model, replace(row, tokens=None)))
            segments.n_needing[row.segment] += 1
        self._entries.sort(key=lambda entry: (not entry.row.pinned, -entry.row.last_used))

    def remove(self, model: int) -> None:
        """Leave a model's entries out: it is served now."""
        self._entries = [entry for entry in self._entries if entry.model != model]
        self._segments.pop(model, None)

    def first(self) -> ForeignEntry | None:
        """The one that goes next."""
        return self._entries[-1] if self._entries else None

    def pop(self) -> tuple[EntryRow, int]:
        """Take the first off; its row, and the bytes that go with it, its own and those of segments that it needed."""
        entry = self._entries.pop()
        segments = self._segments[entry.model]
        n_bytes, at = entry.row.n_bytes, entry.row.segment
        segments.n_needing[at] -= 1
        while at is not None and not segments.n_needing[at]:
            at, n_bytes_segment = segments.parents.pop(at)
            n_bytes += n_bytes_segment
            segments.n_needing[at] -= 1
        return entry.row, n_bytes
