"""The simplest tier below the host: a dictionary, which outlives the caches that use it."""

import secrets
from collections.abc import Callable, Collection
from dataclasses import replace

from segue.cache.entries.entry import Entry
from segue.cache.tiers.base import Usage
from segue.cache.tiers.entry_rows import attach_rows, rows_of
from segue.cache.tiers.host import HostTier
from segue.cache.tiers.lower import NullTier, UpperTiers
from segue.cache.tiers.stored_entries import StoredEntries
from segue.engine.state import Bytes, Cells
from segue.storage.keys import keyed
from segue.storage.rows import EntryRow, SegmentRow


class Shelf:
    """All that is kept: each entry's row and arrays, and the rows and cells of its chain, which entries share."""

    def __init__(self, limit_bytes: int = 1 << 30) -> None:
        self.limit_bytes = limit_bytes
        self.entries = dict[bytes, tuple[EntryRow, list[Bytes], list[tuple[SegmentRow, Cells]]]]()

    def cells(self) -> dict[str, tuple[SegmentRow, Cells]]:
        return {row.file: (row, cells) for _, _, chain in self.entries.values() for row, cells in chain}

    def remove(self, rows: Collection[EntryRow]) -> None:
        self.entries = {key: kept for key, kept in self.entries.items() if key not in {row.key for row in rows}}


class ToyTier(NullTier):
    """Keeps at once all that can be copied, and gives it back at once: it has nothing to do in the background."""

    def __init__(self, above: UpperTiers, shelf: Shelf, wake: Callable[[], None] = lambda: None) -> None:
        self.name, self._above, self._shelf, self._wake = "shelf", above, shelf, wake
        self._stored = StoredEntries(above, lambda _: None, shelf.remove)
        attach_rows(above, [row for row, _ in shelf.cells().values()], [row for row, _, _ in shelf.entries.values()])

    def has(self, entry: Entry) -> bool:
        return entry.is_stored

    def cost(self, entry: Entry, *, with_logits: bool = True) -> int:
        is_near = self._above.device.owners.is_near(entry) and not (with_logits and entry.has_far_logits)
        n_far_bytes = sum(one.n_stored_bytes for one in entry.chain if one.cells is None)
        return n_far_bytes + entry.stored.n_bytes if entry.stored and not is_near else 0

    def put(self, entry: Entry, source: HostTier) -> bool:
        if (seq := self._above.device.owners.source(entry)) is not None:
            self._above.copy_all(entry, seq, self._above.stored_room)
        shelf, arrays = self._shelf, source.arrays(entry)
        n_own, n_new = (sum(a.nbytes for a in arrays), sum(one.n_bytes for one in entry.chain if not one.is_stored))
        is_copied = entry.has_state_on_host and entry.is_complete_off_device
        if not is_copied or self.usage().used_bytes + n_own + n_new > shelf.limit_bytes:
            return False
        row, rows = rows_of(entry, self._above.entries.namespace(entry), (0.0, 0.0))
        chain, cells = list[tuple[SegmentRow, Cells]](), shelf.cells()
        for one, found in zip(entry.chain, rows, strict=True):
            if one.cells is not None and not one.is_stored:
                parent = chain[-1][0].file if chain else None
                cells[""] = replace(found, file=secrets.token_hex(), n_bytes=one.n_bytes, parent=parent), one.cells
            chain.append(cells[one.file])
        rows = [one for one, _ in chain]
        row = replace(keyed(row, rows, ""), segment=rows[-1].file if rows else None, n_bytes=n_own)
        shelf.entries[row.key] = row, arrays, chain
        self._stored.add(entry, entry.chain, row, rows)
        return True

    def get(self, entry: Entry, target: HostTier, *, with_logits: bool = True) -> bool:  # noqa: ARG002
        assert entry.stored is not None
        self._wake()
        far = [(one, self._shelf.cells()[one.file][1]) for one in entry.chain if one.cells is None]
        return self._stored.bring_back(entry, far, self._shelf.entries[entry.stored.key][1])

    def drop(self, entry: Entry) -> None:
        self._stored.drop(entry)

    def usage(self) -> Usage:
        n_bytes = sum(row.n_bytes for row, *_ in self._shelf.entries.values())
        return Usage(n_bytes + sum(row.n_bytes for row, _ in self._shelf.cells().values()), self._shelf.limit_bytes)
