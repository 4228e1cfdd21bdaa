"""What of a space is on disk, counted; and which of it goes for room, or because it cannot be read."""

from collections.abc import Callable, Collection, Iterator, Sequence

from segue.homes.entry import Entry
from segue.homes.link import Link
from segue.homes.space import Space
from segue.homes.strangers import Strangers
from segue.homes.writing import Written
from segue.state.loss import Loss
from segue.state.victims import Victims

# The disk holds most, and hardly anything on it changes its place from one newcomer to the next.
_N_SHARES = 16


class Shelf:
    """The stored checkpoints of a space and the bytes that all files take, which never exceed the limit.

    `remove` has rows forgotten, after everything that was asked of the disk before. Belongs to the engine's thread.
    """

    def __init__(
        self,
        space: Space,
        limit_bytes: int,
        used_bytes: int,
        strangers: Strangers,
        wall: Callable[[float], float],
        remove: Callable[[Sequence[int]], None],
    ) -> None:
        self._space = space
        self.limit_bytes = limit_bytes
        self._strangers = strangers
        self._wall = wall
        self._remove = remove
        self._victims = Victims[Entry](_N_SHARES)
        self.used_bytes = used_bytes

    def put(self, checkpoint: Entry, chain: Sequence[Link], written: Written) -> None:
        """Count a checkpoint that was written with its chain; at once it is dropped if it has gone meanwhile."""
        for link, row, number in zip(chain, written.links, written.added.links, strict=True):
            link.is_being_written = False
            if link.row is None:
                link.row, link.file, link.n_disk_bytes = number, row.file, row.n_bytes
                self.used_bytes += row.n_bytes
        tip = chain[-1] if chain else None
        if not checkpoint.is_attached or checkpoint.link is not tip:
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

    def give_up(self, checkpoint: Entry, chain: Sequence[Link]) -> None:
        """Hear that a checkpoint could not be written."""
        for link in chain:
            link.is_being_written = False
        self._clear(chain[-1] if chain else None, checkpoint)

    def drop(self, checkpoint: Entry) -> None:
        """Forget what is stored of a checkpoint, and lose those that only its links were left for."""
        assert checkpoint.row is not None
        self._remove([checkpoint.row])
        self.used_bytes -= checkpoint.n_disk_bytes
        checkpoint.row, checkpoint.file, checkpoint.n_disk_bytes, checkpoint.stores_logits = None, "", 0, False
        checkpoint.has_far_logits = False
        if checkpoint.link is not None:
            checkpoint.link.n_stored -= 1
            self._clear(checkpoint.link, checkpoint)

    def lose(self, checkpoint: Entry, *, with_link: bool = False, loss: Loss = Loss.EVICTED) -> None:
        """Forget a checkpoint on disk, and altogether if neither the device nor memory has it.

        `with_link`: its chain is of no use any more. `loss` is the reason reported if a later prompt would have used
        it.
        """
        if checkpoint.is_stored:
            self.drop(checkpoint)
        if with_link or not checkpoint.has_loaded_chain:
            self._space.copies.drop_link(checkpoint)
        else:
            self._space.copies.stay_on_host(checkpoint)
        if checkpoint.is_attached and not self._space.coverage.is_near(checkpoint):
            self._space.evict(checkpoint, loss=loss)

    def lose_link(self, link: Link, but: Entry | None = None, *, loss: Loss = Loss.EVICTED) -> None:
        """Lose all whose chains pass through a link that is gone."""
        below = set(link.below())
        n_users = sum(one.n_users for one in below)
        if n_users == (but is not None and but.link in below):
            return
        for user in [c for c in self._space.checkpoints() if c.link in below and c is not but]:
            if user.is_attached:
                self.lose(user, with_link=True, loss=loss)

    def make_room(self, need: Callable[[], int], keeping: Collection[Link] = ()) -> bool:
        """Drop what is worth least, but none of the links `keeping`, until `need()` bytes fit; False if they cannot.

        What other models have goes first where nobody has used it for longer; what is pinned goes after all else.
        """
        if need() > self.limit_bytes:
            return False
        now = self._space.clock()
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

    def _next_victim(self, keeping: Collection[Link]) -> Entry | None:
        """The least valuable on disk."""
        space, now = self._space, self._space.clock()

        def may_go(checkpoint: Entry) -> bool:
            if not checkpoint.is_stored or space.is_kept(checkpoint):
                return False
            return not keeping or not any(link in keeping for link in self._freed_links(checkpoint))

        def ranked(n_shares: int) -> list[Entry]:
            stored = filter(may_go, space.checkpoints())
            return space.retention.ranked(stored, now, lambda c: max(1, self._freed_bytes(c)), n_shares)

        return self._victims.next(ranked, now, may_go)

    def _clear(self, tip: Link | None, checkpoint: Entry) -> None:
        """Forget the links on disk, from `tip` up, that nothing on disk needs any more."""
        lost = []
        for link in tip.up() if tip is not None else ():
            if link.row is None or link.is_needed_on_disk:
                break
            self.used_bytes -= link.n_disk_bytes
            link.row, link.file, link.n_disk_bytes = None, "", 0
            if link.cells is None:
                lost.append(link)
        for link in lost:
            self.lose_link(link, checkpoint)

    def _freed_bytes(self, checkpoint: Entry) -> int:
        n_bytes_links = sum(link.n_disk_bytes for link in self._freed_links(checkpoint))
        return checkpoint.n_disk_bytes + n_bytes_links

    def _freed_links(self, checkpoint: Entry) -> Iterator[Link]:
        """The links that nothing on disk would need without a stored checkpoint."""
        n_own, n_below = 1, 0
        for link in checkpoint.link.up() if checkpoint.link is not None else ():
            n_stored_below = sum(child.row is not None for child in link.children.values())
            if link.is_being_written or link.n_stored > n_own or n_stored_below > n_below:
                break
            yield link
            n_own, n_below = 0, 1
