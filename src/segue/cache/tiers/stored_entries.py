"""The entries that a lower tier has, and those that are lost with a lost segment."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from segue.cache.entries.entry import Entry
from segue.cache.entries.segment import Segment
from segue.cache.tiers.lower import UpperTiers
from segue.engine.state import Bytes, Cells
from segue.prefix.loss import Loss
from segue.storage.rows import EntryRow, SegmentRow


class StoredEntries:
    """The bookkeeping of a lower tier: entries that are stored, and the segments that these need there.

    `count` is told by how many bytes the files grow or shrink; `remove` queues rows for deletion, behind all earlier
    jobs of the tier's storage. Belongs to the engine's thread.
    """

    def __init__(
        self, above: UpperTiers, count: Callable[[int], None], remove: Callable[[Sequence[EntryRow]], None]
    ) -> None:
        self._above = above
        self._count = count
        self._remove = remove

    def add(self, entry: Entry, chain: Sequence[Segment], row: EntryRow, rows: Sequence[SegmentRow]) -> None:
        """Count an entry that was written with its chain; it is forgotten again if it has gone meanwhile."""
        for segment, segment_row in zip(chain, rows, strict=True):
            segment.is_being_written = False
            if not segment.is_stored:
                segment.file, segment.n_stored_bytes = segment_row.file, segment_row.n_bytes
                self._count(segment_row.n_bytes)
        tip = chain[-1] if chain else None
        if not entry.is_attached or entry.segment is not tip:
            if entry.stored is not None:
                self.drop(entry)
            else:
                self._remove([row])
            self._unstore(tip, entry)
            return
        if entry.stored is not None:
            # It was there without its logits, on the same chain, and has been replaced.
            self._count(-entry.stored.n_bytes)
        elif tip is not None:
            tip.n_stored += 1
        # Its tokens are those of the tree.
        entry.stored = replace(row, tokens=None)
        self._count(row.n_bytes)

    def give_up(self, entry: Entry, chain: Sequence[Segment]) -> None:
        """Record that a checkpoint could not be written."""
        for segment in chain:
            segment.is_being_written = False
        self._unstore(chain[-1] if chain else None, entry)

    def drop(self, entry: Entry) -> None:
        """Drop the stored parts of a checkpoint, if any, and the stored segments that only it needed."""
        if entry.stored is None:
            return
        self._remove([entry.stored])
        self._count(-entry.stored.n_bytes)
        entry.stored, entry.has_far_logits = None, False
        if entry.segment is not None:
            entry.segment.n_stored -= 1
            self._unstore(entry.segment, entry)

    def bring_back(self, entry: Entry, cells: Sequence[tuple[Segment, Cells]], arrays: Sequence[Bytes]) -> bool:
        """Bring what a checkpoint lacks into host memory; False, with nothing brought, if there is no room.

        `cells` are those of segments that have none there, root first; `arrays` are for `HostTier.bring_back`.
        """
        host, was_loaded = self._above.host, entry.holds_chain
        if cells:
            host.hold_chain(entry)
        with self._above.in_use.using(entry):
            if not self._above.host_room(sum(one.n_bytes for _, one in cells) + sum(one.nbytes for one in arrays)):
                if not was_loaded:
                    host.unload_chain(entry)
                return False
        for segment, one in cells:
            host.segments.bring_back(segment, one)
        if arrays:
            host.bring_back(entry, arrays)
        return True

    def evict(self, entry: Entry) -> None:
        """Drop a checkpoint from the lower tier for lack of room; remove it if neither device nor host has it."""
        self._drop_or_remove(entry, Loss.EVICTED)

    def lose(self, entry: Entry) -> None:
        """Drop a checkpoint whose own stored data is damaged: like `evict`, but reported as damage."""
        self._drop_or_remove(entry, Loss.DAMAGED)

    def lose_segment(self, segment: Segment, loss: Loss, *, but: Entry | None = None) -> None:
        """Drop a segment whose stored data is gone: all checkpoints whose chains pass through it lose their chains.

        `loss` is the reason reported if a later prompt would have used them.
        """
        below = set(segment.below())
        n_users = sum(one.n_users for one in below)
        if n_users == (but is not None and but.segment in below):
            return
        for user in [c for c in self._above.entries.all() if c.segment in below and c is not but]:
            if user.is_attached:
                self._drop_or_remove(user, loss, with_chain=True)

    def _drop_or_remove(self, entry: Entry, loss: Loss, *, with_chain: bool = False) -> None:
        self.drop(entry)
        if with_chain or not entry.has_loaded_chain:
            self._above.host.detach_chain(entry)
        else:
            self._above.host.hold_chain(entry)
        if entry.is_attached and not self._above.device.owners.is_near(entry):
            self._above.remove(entry, loss)

    def _unstore(self, tip: Segment | None, entry: Entry) -> None:
        """Forget the stored segments, from `tip` up, that no stored entry needs any more."""
        gone = self._above.host.segments.unstore(tip) if tip is not None else []
        self._count(-sum(segment.n_stored_bytes for segment in gone))
        for segment in gone:
            segment.n_stored_bytes = 0
        for segment in [segment for segment in gone if segment.cells is None]:
            self.lose_segment(segment, Loss.EVICTED, but=entry)
