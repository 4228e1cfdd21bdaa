"""The bytes that a model's stored entries take, and which entries are dropped to make room."""

from collections.abc import Callable, Collection, Iterator, Sequence

from segue.cache.entries.entry import Entry
from segue.cache.entries.segment import Segment
from segue.cache.tiers.disk.shared import Share
from segue.cache.tiers.lower import UpperTiers
from segue.cache.tiers.stored_entries import StoredEntries
from segue.policy.victims import Victims
from segue.storage.rows import EntryRow

# The disk holds most entries, and one newcomer hardly changes their order.
_N_SHARES = 16


class DiskUsage:
    """The stored entries of one model, and its share of the disk's bytes, which never exceed the limit in all.

    `remove` queues rows for deletion, behind all earlier jobs. Belongs to the engine's thread.
    """

    def __init__(
        self,
        above: UpperTiers,
        share: Share,
        stored: StoredEntries,
        wall: Callable[[float], float],
        remove: Callable[[Sequence[EntryRow]], None],
    ) -> None:
        self._above = above
        self.share = share
        self._wall = wall
        self._remove = remove
        self._stored = stored
        self._victims = Victims[Entry](_N_SHARES)

    def reserve(self, need: Callable[[], int], keeping: Collection[Segment] = ()) -> bool:
        """Count `need()` bytes more, making room for them; False if there cannot be, or not yet.

        None of the segments `keeping` is dropped. Entries of models that are not served go first if they were used
        longer ago, and pinned entries last. Another model's tier is asked before anything of this one goes, and wakes
        this one when it has answered.
        """
        disk = self.share.disk
        if need() > disk.limit_bytes:
            return False
        now = self._above.entries.clock()
        while not self.share.reserve(need()):
            victim, other = self._next_victim(keeping), disk.first_foreign()
            if other is not None and (
                victim is None
                or (other.row.pinned, other.row.last_used) <= (victim.is_pinned(now), self._wall(victim.last_used))
            ):
                if victim is not None:
                    self._victims.requeue(victim)
                disk.remove_foreign(other, self._remove)
            elif self.share.ask_for(need()):
                if victim is not None:
                    self._victims.requeue(victim)
                return False
            elif victim is not None:
                self._stored.evict(victim)
            else:
                return False
        return True

    def make_room_for_others(self) -> None:
        """Make room for other models' tiers that have asked for it, by dropping what is worth least."""
        n_bytes = self.share.asked_bytes()
        if n_bytes is None:
            return
        until_bytes = self.share.used_bytes - n_bytes
        while self.share.used_bytes > until_bytes and (victim := self._next_victim()) is not None:
            self._stored.evict(victim)
        self.share.answer()

    def _next_victim(self, keeping: Collection[Segment] = ()) -> Entry | None:
        """The least valuable on disk."""
        above, now = self._above, self._above.entries.clock()

        def may_go(entry: Entry) -> bool:
            if not entry.is_stored or above.in_use.has_copies_in_use(entry):
                return False
            return not keeping or not any(segment in keeping for segment in self._freed_segments(entry))

        def ranked(n_shares: int) -> list[Entry]:
            stored = filter(may_go, above.entries.all())
            return above.retention.ranked(stored, now, lambda c: max(1, self._freed_bytes(c)), n_shares)

        return self._victims.next(ranked, now, may_go)

    def _freed_bytes(self, entry: Entry) -> int:
        n_bytes_segments = sum(segment.n_stored_bytes for segment in self._freed_segments(entry))
        return (entry.stored.n_bytes if entry.stored is not None else 0) + n_bytes_segments

    def _freed_segments(self, entry: Entry) -> Iterator[Segment]:
        """The segments that nothing on disk would need without a stored checkpoint."""
        n_own, n_below = 1, 0
        for segment in entry.segment.up() if entry.segment is not None else ():
            n_stored_below = sum(child.is_stored for child in segment.children.values())
            if segment.is_being_written or segment.n_stored > n_own or n_stored_below > n_below:
                break
            yield segment
            n_own, n_below = 0, 1
