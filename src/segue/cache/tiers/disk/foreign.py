"""Stored entries of models that this process does not serve: kept until their room is needed."""

from collections import Counter
from dataclasses import dataclass, field, replace

from segue.storage.index import Index
from segue.storage.rows import EntryRow


@dataclass(frozen=True, slots=True)
class ForeignEntry:
    """An entry of another model, by its row, without its tokens."""

    model: int
    row: EntryRow


@dataclass(slots=True)
class ModelEntries:
    """The entries of one model; each segment's parent and size, and how many entries and segments need it."""

    model: int
    entries: list[ForeignEntry] = field(default_factory=list)
    parents: dict[str, tuple[str | None, int]] = field(default_factory=dict)
    n_needing: Counter[str | None] = field(default_factory=Counter)


class ForeignEntries:
    """The entries of models that are not served: the least recently used goes first, and pinned ones last.

    The caller sees to it that one thread at a time is in here, `read` aside.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._entries: list[ForeignEntry] = []
        self._models: dict[int, ModelEntries] = {}

    def read(self, model: int) -> ModelEntries:
        """The entries that the index has of a model, for `add`. Any thread; raises DiskError."""
        found = ModelEntries(model)
        for segment in self._index.segments(model):
            found.parents[segment.file] = (segment.parent, segment.n_bytes)
            found.n_needing[segment.parent] += 1
        for row in self._index.checkpoints(model):
            found.entries.append(ForeignEntry(model, replace(row, tokens=None)))
            found.n_needing[row.segment] += 1
        return found

    def add(self, found: ModelEntries) -> None:
        """Take in the entries of a model that is not served."""
        self._models[found.model] = found
        self._entries += found.entries
        self._entries.sort(key=lambda entry: (not entry.row.pinned, -entry.row.last_used))

    def remove(self, model: int) -> None:
        """Leave a model's entries out: it is served now."""
        self._entries = [entry for entry in self._entries if entry.model != model]
        self._models.pop(model, None)

    def first(self) -> ForeignEntry | None:
        """The one that goes next."""
        return self._entries[-1] if self._entries else None

    def pop(self) -> tuple[EntryRow, int]:
        """Take the first off; its row, and the bytes that go with it, its own and those of segments that it needed."""
        entry = self._entries.pop()
        segments = self._models[entry.model]
        n_bytes, at = entry.row.n_bytes, entry.row.segment
        segments.n_needing[at] -= 1
        while at is not None and not segments.n_needing[at]:
            at, n_bytes_segment = segments.parents.pop(at)
            n_bytes += n_bytes_segment
            segments.n_needing[at] -= 1
        return entry.row, n_bytes
