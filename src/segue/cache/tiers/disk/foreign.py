"""What other models have on disk: kept for when they come back, but not for ever."""

from collections import Counter
from dataclasses import dataclass

from segue.storage.index import Index


@dataclass(frozen=True, slots=True)
class ForeignEntry:
    """A checkpoint of another model, with what its file takes; `last_used` is in wall-clock seconds."""

    id: int
    segment: int | None
    n_bytes: int
    last_used: float
    pinned: bool


class ForeignEntries:
    """The checkpoints of all models but one, of which the least recently used goes first, and pinned ones last."""

    def __init__(self, index: Index, model: int) -> None:
        self._rows: list[ForeignEntry] = []
        self._segments: dict[int, tuple[int | None, int]] = {}
        self._n_needing: Counter[int | None] = Counter()
        for other in index.fingerprints():
            if other == model:
                continue
            for segment in index.segments(other):
                assert segment.id is not None
                self._segments[segment.id] = (segment.parent, segment.n_bytes)
                self._n_needing[segment.parent] += 1
            for row in index.checkpoints(other):
                assert row.id is not None
                self._rows.append(ForeignEntry(row.id, row.segment, row.n_bytes, row.last_used, row.pinned))
                self._n_needing[row.segment] += 1
        self._rows.sort(key=lambda row: (not row.pinned, -row.last_used))

    def first(self) -> ForeignEntry | None:
        """The one that goes next."""
        return self._rows[-1] if self._rows else None

    def pop(self) -> tuple[int, int]:
        """Take the first off; its row, and the bytes that go with it, its own and those of segments that it needed."""
        row = self._rows.pop()
        n_bytes, at = row.n_bytes, row.segment
        self._n_needing[at] -= 1
        while at is not None and not self._n_needing[at]:
            parent, n_bytes_segment = self._segments.pop(at)
            n_bytes += n_bytes_segment
            at = parent
            self._n_needing[at] -= 1
        return row.id, n_bytes
