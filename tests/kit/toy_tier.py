"""The simplest tier below the host: a dictionary, which outlives the caches that use it."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from segue.cache.entries.entry import Entry
from segue.cache.tiers.base import Usage
from segue.cache.tiers.disk.recovery import load, row_of
from segue.cache.tiers.host import HostTier
from segue.cache.tiers.lower import NullTier, UpperTiers
from segue.cache.tiers.stored_entries import StoredEntries
from segue.engine.cells import Bytes, Cells
from segue.prefix.lineage import tokens_of
from segue.storage.keys import entry_key
from segue.storage.rows import EntryRow, SegmentRow


@dataclass
class Shelf:
    """Everything that is kept, and the rows by which it is found again."""

    entries: dict[bytes, tuple[EntryRow, list[Bytes]]] = field(default_factory=dict)
    cells: dict[str, tuple[SegmentRow, Bytes]] = field(default_factory=dict)

    def segments(self, _model: int) -> list[SegmentRow]:
        return [row for row, _ in self.cells.values()]

    def checkpoints(self, _model: int) -> list[EntryRow]:
        return [row for row, _ in self.entries.values()]

    def remove(self, rows: Collection[EntryRow]) -> None:
        self.entries = {key: kept for key, kept in self.entries.items() if key not in {row.key for row in rows}}


class ToyTier(NullTier):
    """Keeps at once all that can be copied, and gives it back at once."""

    def __init__(self, above: UpperTiers, shelf: Shelf, wake: Callable[[], None] = lambda: None) -> None:
        self._above, self._shelf, self._wake = above, shelf, wake
        self._stored = StoredEntries(above, lambda _: None, shelf.remove)
        load(above, shelf, 0)

    def has(self, entry: Entry) -> bool:
        return entry.is_stored

    def cost(self, entry: Entry, *, with_logits: bool = True) -> int:
        is_near = self._above.device.owners.is_near(entry)
        return int(entry.is_stored and not (is_near and not (with_logits and entry.has_far_logits)))

    def put(self, entry: Entry, source: HostTier) -> bool:
        seq = self._above.device.owners.source(entry)
        if not (entry.has_blob and entry.is_copied) and (
            seq is None or not self._above.copy_all(entry, seq, self._above.stored_room)
        ):
            return False
        scope, rows = self._above.entries.namespace(entry), list[SegmentRow]()
        for one in entry.chain:
            name, parent = one.file or f"{len(self._shelf.cells)}", rows[-1].file if rows else None
            rows.append(SegmentRow(scope, one.start, one.tokens, name, 1, parent))
            if one.cells is not None:
                self._shelf.cells[name] = rows[-1], one.cells.data
        row = row_of(entry_key("", scope, tokens_of(entry)), entry, scope, (0.0, 0.0), is_segmented=bool(rows))
        self._shelf.entries[row.key] = (row, source.arrays(entry))
        self._stored.add(entry, entry.chain, row, rows)
        return True

    def get(self, entry: Entry, target: HostTier, *, with_logits: bool = True) -> bool:  # noqa: ARG002
        assert entry.stored is not None
        arrays = self._shelf.entries[entry.stored.key][1]
        target.stay_on_host(entry)
        far = {one: self._shelf.cells[one.file][1] for one in entry.chain if one.cells is None}
        n_bytes = sum(array.nbytes for array in (*far.values(), *arrays))
        with self._above.in_use.using(entry):
            if not self._above.host_room(n_bytes):
                return False
        for one, data in far.items():
            target.segments.put(one, Cells(data, one.start, one.end))
        target.take_back(entry, arrays)
        self._wake()
        return True

    def drop(self, entry: Entry) -> None:
        if entry.is_stored:
            self._stored.drop(entry)

    def usage(self) -> Usage:
        return Usage(len(self._shelf.entries), 1 << 30)
