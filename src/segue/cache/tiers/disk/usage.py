"""What of a space is on disk, counted; and which of it goes for room, or because it cannot be read."""

from collections.abc import Callable, Collection, Iterator, Sequence

from segue.cache.entries.entry import Entry
from segue.cache.entries.segment import Segment
from segue.cache.tiers.disk.foreign import ForeignEntries
from segue.cache.tiers.disk.writing import CompletedWrite
from segue.cache.tiers.lower import UpperTiers
from segue.policy.victims import Victims
from segue.prefix.loss import Loss

# The disk holds most, and hardly anything on it changes its place from one newcomer to the next.
_N_SHARES = 16


class DiskUsage:
    """The stored checkpoints of a space and the bytes that all files take, which never exceed the limit.

    `remove` has rows forgotten, after everything that was asked of the disk before. Belongs to the engine's thread.
    """

    def __init__(
        self,
        above: UpperTiers,
        limit_bytes: int,
        used_bytes: int,
        strangers: ForeignEntries,
        wall: Callable[[float], float],
        remove: Callable[[Sequence[int]], None],
    ) -> None:
        self._above = above
        self.limit_bytes = limit_bytes
        self._strangers = strangers
        self._wall = wall
        self._remove = remove
        self._victims = Victims[Entry](_N_SHARES)
        self.used_bytes = used_bytes

    def put(self, checkpoint: Entry, chain: Sequence[Segment], written: CompletedWrite) -> None:
        """Count a checkpoint that was written with its chain; at once it is dropped if it has gone meanwhile."""
        for segment, row, number in zip(chain, written.segments, written.added.segments, strict=True):
            segment.is_being_written = False
            if segment.row is None:
                segment.row, segment.file, segment.n_disk_bytes = number, row.file, row.n_bytes
                self.used_bytes += row.n_bytes
        tip = chain[-1] if chain else None
        if not checkpoint.is_attached or checkpoint.segment is not tip:
            self._remove([written.added.checkpoint])
            self._clear(tip, checkpoint)
            return
        if checkpoint.row is not None:
            # It was there without its logits, on the same chain.
            self._remove([checkpoint.row])
            self.used_bytes -= checkpoint.n_disk_bytes
        elif tip is not None:
            tip.n_stored += 1
        checkpoint.row, checkpoint.file = written.added.checkpoint, written.row.file or ""
        checkpoint.n_disk_bytes, checkpoint.stores_logits = written.row.n_bytes, written.row.has_logits
        self.used_bytes += checkpoint.n_disk_bytes

    def give_up(self, checkpoint: Entry, chain: Sequence[Segment]) -> None:
        """Hear that a checkpoint could not be written."""
        for segment in chain:
            segment.is_being_written = False
        self._clear(chain[-1] if chain else None, checkpoint)

    def drop(self, checkpoint: Entry) -> None:
        """Forget what is stored of a checkpoint, and lose those that only its segments were left for."""
        assert checkpoint.row is not None
        self._remove([checkpoint.row])
        self.used_bytes -= checkpoint.n_disk_bytes
        checkpoint.row, checkpoint.file, checkpoint.n_disk_bytes, checkpoint.stores_logits = None, "", 0, False
        checkpoint.has_far_logits = False
        if checkpoint.segment is not None:
            checkpoint.segment.n_stored -= 1
            self._clear(checkpoint.segment, checkpoint)

    def lose(self, checkpoint: Entry, *, with_segment: bool = False, loss: Loss = Loss.EVICTED) -> None:
        """Forget a checkpoint on disk, and altogether if neither the device nor memory has it.

        `with_segment`: its chain is of no use any more. `loss` is the reason reported if a later prompt would have used
        it.
        """
        if checkpoint.is_stored:
            self.drop(checkpoint)
        if with_segment or not checkpoint.has_loaded_chain:
            self._above.host.drop_segment(checkpoint)
        else:
            self._above.host.stay_on_host(checkpoint)
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

    def make_room(self, need: Callable[[], int], keeping: Collection[Segment] = ()) -> bool:
        """Drop what is worth least, but none of the segments `keeping`, until `need()` bytes fit; False if they cannot.

        What other models have goes first where nobody has used it for longer; what is pinned goes after all else.
        """
        if need() > self.limit_bytes:
            return False
        now = self._above.entries.clock()
        while self.used_bytes + need() > self.limit_bytes:
            victim = self._next_victim(keeping)
            stranger = self._strangers.first()
            if stranger is not None and (
                victim is None
                or (stranger.pinned, stranger.last_used) <= (victim.is_pinned(now), self._wall(victim.last_used))
            ):
                if victim is not None:
                    self._victims.put_back(victim)
                row, n_bytes = self._strangers.pop()
                self.used_bytes -= n_bytes
                self._remove([row])
            elif victim is not None:
                self.lose(victim)
            else:
                return False
        return True

    def _next_victim(self, keeping: Collection[Segment]) -> Entry | None:
        """The least valuable on disk."""
        above, now = self._above, self._above.entries.clock()

        def may_go(checkpoint: Entry) -> bool:
            if not checkpoint.is_stored or above.in_use.has_copies_in_use(checkpoint):
                return False
            return not keeping or not any(segment in keeping for segment in self._freed_segments(checkpoint))

        def ranked(n_shares: int) -> list[Entry]:
            stored = filter(may_go, above.entries.all())
            return above.retention.ranked(stored, now, lambda c: max(1, self._freed_bytes(c)), n_shares)

        return self._victims.next(ranked, now, may_go)

    def _clear(self, tip: Segment | None, checkpoint: Entry) -> None:
        """Forget the segments on disk, from `tip` up, that nothing on disk needs any more."""
        lost = []
        for segment in tip.up() if tip is not None else ():
            if segment.row is None or segment.is_needed_on_disk:
                break
            self.used_bytes -= segment.n_disk_bytes
            segment.row, segment.file, segment.n_disk_bytes = None, "", 0
            if segment.cells is None:
                lost.append(segment)
        for segment in lost:
            self.lose_segment(segment, checkpoint)

    def _freed_bytes(self, checkpoint: Entry) -> int:
        n_bytes_segments = sum(segment.n_disk_bytes for segment in self._freed_segments(checkpoint))
        return checkpoint.n_disk_bytes + n_bytes_segments

    def _freed_segments(self, checkpoint: Entry) -> Iterator[Segment]:
        """The segments that nothing on disk would need without a stored checkpoint."""
        n_own, n_below = 1, 0
        for segment in checkpoint.segment.up() if checkpoint.segment is not None else ():
            n_stored_below = sum(child.row is not None for child in segment.children.values())
            if segment.is_being_written or segment.n_stored > n_own or n_stored_below > n_below:
                break
            yield segment
            n_own, n_below = 0, 1
