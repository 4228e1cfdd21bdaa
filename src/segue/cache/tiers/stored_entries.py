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

    `count` is told how many bytes of files more there are, or fewer; `remove` has rows forgotten, after everything that
    was asked of the tier's storage before. Belongs to the engine's thread.
    """

    def __init__(
        self, above: UpperTiers, count: Callable[[int], None], remove: Callable[[Sequence[EntryRow]], None]
    ) -> None:
        self._above = above
        self._count = count
        self._remove = remove

    def add(self, checkpoint: Entry, chain: Sequence[Segment], row: EntryRow, rows: Sequence[SegmentRow]) -> None:
        """Count an entry that was written with its chain; it is forgotten again if it has gone meanwhile."""
        for segment, segment_row in zip(chain, rows, strict=True):
            segment.is_being_written = False
            if not segment.is_stored:
                segment.file, segment.n_stored_bytes = segment_row.file, segment_row.n_bytes
                self._count(segment_row.n_bytes)
        tip = chain[-1] if chain else None
        if not checkpoint.is_attached or checkpoint.segment is not tip:
            if checkpoint.stored is not None:
                self.drop(checkpoint)
            else:
                self._remove([row])
            self._unstore(tip, checkpoint)
            return
        if checkpoint.stored is not None:
            # It was there without its logits, on the same chain, and has been replaced.
            self._count(-checkpoint.stored.n_bytes)
        elif tip is not None:
            tip.n_stored += 1
        # Its tokens are those of the tree.
        checkpoint.stored = replace(row, tokens=None)
        self._count(row.n_bytes)

    def give_up(self, checkpoint: Entry, chain: Sequence[Segment]) -> None:
        """Hear that a checkpoint could not be written."""
        for segment in chain:
            segment.is_being_written = False
        self._unstore(chain[-1] if chain else None, checkpoint)

    def drop(self, checkpoint: Entry) -> None:
        """Drop the stored parts of a checkpoint, if any; lose the entries that depended on its segments."""
        if checkpoint.stored is None:
            return
        self._remove([checkpoint.stored])
        self._count(-checkpoint.stored.n_bytes)
        checkpoint.stored, checkpoint.has_far_logits = None, False
        if checkpoint.segment is not None:
            checkpoint.segment.n_stored -= 1
            self._unstore(checkpoint.segment, checkpoint)

    def bring_back(self, checkpoint: Entry, cells: Sequence[tuple[Segment, Cells]], arrays: Sequence[Bytes]) -> bool:
        """Bring what a checkpoint lacks into host memory; False, with nothing brought, if there is no room.

        `cells` are those of segments that have none there, root first; `arrays` are for `HostTier.bring_back`.
        """
        host, was_loaded = self._above.host, checkpoint.is_loaded
        if cells:
            host.hold_chain(checkpoint)
        with self._above.in_use.using(checkpoint):
            if not self._above.host_room(sum(one.n_bytes for _, one in cells) + sum(one.nbytes for one in arrays)):
                if not was_loaded:
                    host.unload_chain(checkpoint)
                return False
        for segment, one in cells:
            host.segments.bring_back(segment, one)
        if arrays:
            host.bring_back(checkpoint, arrays)
        return True

    def lose(self, checkpoint: Entry, *, with_segment: bool = False, loss: Loss = Loss.EVICTED) -> None:
        """Forget a checkpoint on disk, and altogether if neither the device nor memory has it.

        `with_segment`: its chain is of no use any more. `loss` is the reason reported if a later prompt would have used
        it.
        """
        self.drop(checkpoint)
        if with_segment or not checkpoint.has_loaded_chain:
            self._above.host.drop_segment(checkpoint)
        else:
            self._above.host.hold_chain(checkpoint)
        if checkpoint.is_attached and not self._above.device.owners.is_near(checkpoint):
            self._above.evict(checkpoint, loss=loss)

    def lose_segment(self, segment: Segment, but: Entry | None = None, *, loss: Loss = Loss.EVICTED) -> None:
        """Lose all whose chains pass through a segment that is gone."""
        below = set(segment.below())
        n_users = sum(one.n_users for one in below)
        if n_users == (but is not None and but.segment in below):
            return
        for user in [c for c in self._above.entries.all() if c.segment in below and c is not but]:
            if user.is_attached:
                self.lose(user, with_segment=True, loss=loss)

    def _unstore(self, tip: Segment | None, checkpoint: Entry) -> None:
        """Forget the segments on disk, from `tip` up, that nothing on disk needs any more."""
        gone = self._above.host.segments.unstore(tip) if tip is not None else []
        self._count(-sum(segment.n_stored_bytes for segment in gone))
        for segment in gone:
            segment.n_stored_bytes = 0
        for segment in [segment for segment in gone if segment.cells is None]:
            self.lose_segment(segment, checkpoint)
