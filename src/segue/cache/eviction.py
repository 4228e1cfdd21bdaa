"""Makes room: decides which entry is demoted and which one is evicted. Removes entries for other reasons too."""

import time
from collections.abc import Callable, Iterable

from segue.cache.entries.entry import NO_SEQ, Entry
from segue.cache.entries.event_log import log_event
from segue.cache.entries.in_use import InUse
from segue.cache.entries.namespaces import Namespaces
from segue.cache.tiers.copy_costs import CopyCosts
from segue.cache.tiers.device import DeviceTier
from segue.cache.tiers.host import HostTier
from segue.cache.tiers.lower import LowerTier, NullTier
from segue.engine.errors import NoRoomError, StateError
from segue.policy.prices import Prices
from segue.policy.retention import Retention
from segue.policy.victims import Victims
from segue.prefix.checkpoint import Origin
from segue.prefix.lineage import ancestors, is_prefix, nearest_ancestor
from segue.prefix.loss import Loss

_INSIDE = (Origin.STRIDE, Origin.REWIND)


class Evictor:
    """Makes room on the device and on the host. Belongs to the engine's thread.

    To make room, it drops the entry that is expected to save least, and never one that is in use. It makes no copy that
    would take longer than reading what the copy saves; the entry goes instead. An entry whose cells are gone moves to
    a chain that reaches it, or goes. `remove` drops an entry for its callers' reasons. `lower` is the tier below the
    host.
    """

    def __init__(
        self, entries: Namespaces, device: DeviceTier, host: HostTier, retention: Retention, prices: Prices
    ) -> None:
        self.entries = entries
        self.device = device
        self.host = host
        self.retention = retention
        self.costs = CopyCosts(entries, device, host, prices)
        self.in_use = InUse()
        self.lower: LowerTier = NullTier()
        self.n_evicted = 0
        self._engine = device.engine
        self._kind = device.engine.shape.kind
        self._host_victims = Victims[Entry]()
        self._stored_victims = Victims[Entry]()

    def tier(self, entry: Entry) -> str:
        """An entry's nearest tier, as logs and reports name it; `live` if it uses only the cells of other sequences."""
        if entry.is_parked:
            return "parked"
        if entry.state is not None or entry.holds_chain:
            return "host"
        return self.lower.name if entry.is_stored else "live"

    def host_room(self, n_bytes: int) -> bool:
        """Make room for `n_bytes` on the host by dropping the least valuable entries; False if that is impossible."""
        if n_bytes > self.host.budget.limit_bytes:
            return False
        while not self.host.budget.fits(n_bytes):
            victim = self._next_host_victim()
            if victim is None:
                return False
            if victim.is_stored or victim.is_parked:
                self.host.drop(victim)
            elif not victim.is_complete_off_device and victim.logits is not None:
                self.host.drop_logits(victim)
            else:
                self.evict(victim)
        return True

    def stored_room(self, n_bytes: int) -> bool:
        """Make room for `n_bytes` on the host by dropping only copies that are also stored below; nothing is lost."""
        while not self.host.budget.fits(n_bytes):
            victim = self._next_stored_victim()
            if victim is None:
                return False
            self.host.drop(victim)
        return True

    def ensure_free_seq(self) -> bool:
        """Ensure that a sequence is free for parking, if necessary by demoting the least valuable parked entry."""
        while not self.device.free_seqs:
            parked, now = self.device.parked(), self.entries.clock()
            # Demoting a shared entry is cheap, but where the host is full it is evicted, so pinned ones come last.
            shared = [c for c in parked if self.device.is_shared(c) and not c.is_pinned(now)]
            victim = self._least(shared or parked, self._n_bytes_seq)
            if victim is None:
                return False
            if self.costs.is_slow(victim) and self.ensure_free_seq_at_once():
                break
            if not self.demote(victim, self.host_room):
                self.evict(victim)
        return True

    def ensure_free_seq_at_once(self) -> bool:
        """Ensure without copying that a sequence is free; False if no entry has a copy or is not worth one."""
        if not self.device.free_seqs:
            ready = (c for c in self.device.parked() if not self.costs.n_bytes(c) or not self.costs.are_worth_it(c))
            victim = self._least(ready, self.costs.n_saved_per_loss)
            if victim is None:
                return False
            if self.costs.n_bytes(victim):
                self.evict(victim)
            else:
                self.unpark(victim)
        return True

    def replace_recent(self, entry: Entry, since: float) -> bool:
        """Free a sequence for an entry by dropping one that it would replace, as if that one had never been taken.

        That is the least valuable checkpoint inside a message of its path, saved `since` then. False if there is none,
        or if the entry itself is that one.
        """
        recent = (c for c in self.device.parked() if c.created >= since and is_prefix(c, entry))
        inside = [c for c in (*recent, entry) if c.origin in _INSIDE]
        victim = self.retention.victim(inside, self.entries.clock(), self._n_bytes_seq)
        if victim is None or victim is entry:
            return False
        self.remove(victim, None)
        return True

    def free_cells(self) -> bool:
        """Free some attention cells of parked checkpoints; False if none of them would free any."""
        freed = {c: c.n_tokens - self.device.owners.n_shared(c) for c in self.device.parked()}
        shape = self._engine.shape
        n_bytes_window = shape.n_bytes_state if shape.kind.has_window else 0
        # Paths show which cells could be shared, not which are: a path that was read twice has cells of its own.
        victim = self._least(freed, lambda c: freed[c] * shape.n_bytes_cell + n_bytes_window)
        victim = victim or self._least(freed, lambda _: 1)
        if victim is None:
            return False
        if self.costs.is_slow(victim):
            victim = self._least((c for c in freed if not self.costs.n_bytes(c)), freed.__getitem__) or victim
        if not self.demote(victim, self.host_room) and not self._shrink(victim):
            self.evict(victim)
        return True

    def demote(self, entry: Entry, room: Callable[[int], bool]) -> bool:
        """Move a parked checkpoint to the host, or only its state part if other sequences keep its cells.

        False, with nothing moved, if the host has no room, or if it is not worth the time.
        """
        started = time.perf_counter()
        seq = entry.seq
        if not self.costs.are_worth_it(entry):
            return False
        with self.in_use.using(entry):
            has_copy = entry.is_stored
            if self.device.is_shared(entry) and not has_copy and not self.host.copy_state(entry, seq, room):
                return False
            # Making room may have evicted the sequence that held its cells.
            if not self.device.is_shared(entry) and not self.copy_all(entry, seq, room):
                return False
        self.unpark(entry)
        log_event("demoted", entry, self.tier(entry), started)
        return True

    def copy_all(self, entry: Entry, seq: int, room: Callable[[int], bool]) -> bool:
        """Copy a whole checkpoint, at which `seq` stands, to the host; False, with nothing copied, for lack of room."""
        if entry.is_complete_off_device:
            return True
        had_state = entry.state is not None
        if not room(self.host.missing_bytes(entry, seq)):
            return False
        while not entry.is_complete_off_device:
            if not self.host.copy_next(entry, seq, room):
                self.host.detach_chain(entry)
                if not had_state:
                    self.host.drop_state(entry)
                return False
        return True

    def evict(self, entry: Entry) -> None:
        """Remove a checkpoint for lack of room."""
        self.remove(entry, Loss.EVICTED)

    def abandon(self, entry: Entry) -> None:
        """Free the sequence of a checkpoint that finds no room on the host; it is lost unless it is also stored."""
        if entry.is_stored:
            self.unpark(entry)
        else:
            self.evict(entry)

    def remove(self, entry: Entry, loss: Loss | None) -> None:
        """Drop a checkpoint from all tiers and from its tree, and those that depend on its cells; paths stay known.

        `loss` is the reason reported if a later prompt would have used the checkpoint; None to report nothing.
        """
        orphans = list(self.device.owners.orphans(entry)) if self._keeps_cells(entry) else []
        self._remove_one(entry, loss)
        self._move_or_remove(orphans)

    def lose_copies(self, entry: Entry) -> None:
        """Drop a checkpoint's saved copies, which are unusable; drop the checkpoint as well unless it is parked."""
        if not entry.is_attached:
            return
        if not entry.is_parked:
            self.remove(entry, Loss.DAMAGED)
            return
        self.lower.drop(entry)
        self.host.drop_state(entry)
        self.host.detach_chain(entry)

    def move_or_remove_below(self, entry: Entry) -> None:
        """Take care of entries that lived on a sequence that is gone: they move to a chain that reaches them, or go."""
        left = [entry, *ancestors(entry)]
        self._move_or_remove(c for c in left if not c.has_own_cells and self.device.owners.seq_over(c) is None)

    def unpark(self, entry: Entry) -> None:
        """Free the sequence that a checkpoint is parked on; entries that need its cells move to its chain or go."""
        if not entry.is_parked:
            return
        orphans = list(self.device.owners.orphans(entry)) if self._keeps_cells(entry) else []
        self.device.drop(entry)
        self._move_or_remove(orphans)

    def _n_bytes_seq(self, _: Entry) -> int:
        return self._engine.shape.n_bytes_state or 1

    def _shrink(self, entry: Entry) -> bool:
        """Park the deepest dependent checkpoint instead, so that only the cells of the tail are freed."""
        heir = next(self.device.owners.orphans(entry), None)
        if heir is None:
            return False
        seq, state = entry.seq, heir.state
        try:
            self._engine.borrow(seq, self.device.scratch, heir.n_tokens, state)
        except (NoRoomError, StateError):
            return False
        self._engine.drop(seq)
        self._engine.copy(self.device.scratch, seq, trims_window=True)
        self._engine.drop(self.device.scratch)
        entry.seq = NO_SEQ
        self.device.move(heir, seq)
        self.host.drop_copy(heir)
        self._remove_one(entry, Loss.EVICTED)
        return True

    def _remove_one(self, entry: Entry, loss: Loss | None) -> None:
        started = time.perf_counter()
        heir = nearest_ancestor(entry)
        for running in self.device.owners.running.values():
            if running.anchor is entry:
                running.anchor = heir
                running.n_anchor = min(running.n_anchor, heir.n_tokens) if heir else 0
        log_event((loss or Loss.EVICTED).value, entry, self.tier(entry), started)
        self.lower.drop(entry)
        self.host.drop(entry)
        self.device.drop(entry)
        entry.tree.detach(entry, loss=loss)
        self.n_evicted += loss is Loss.EVICTED

    def _move_or_remove(self, orphans: Iterable[Entry]) -> None:
        for orphan in orphans:
            if not self.host.adopt(orphan):
                self._remove_one(orphan, Loss.EVICTED)

    def _keeps_cells(self, entry: Entry) -> bool:
        return entry.is_parked and self._kind.shares_cells

    def _next_host_victim(self) -> Entry | None:
        """The least valuable entry on the host."""
        now = self.entries.clock()
        return self._host_victims.next(lambda n: self._ranked_on_host(now, n), now, self._may_leave_host)

    def _ranked_on_host(self, now: float, n_shares: int) -> list[Entry]:
        here = [c for c in self.entries.all() if self._may_leave_host(c)]
        # Dropping a copy that is also stored below costs only the time to fetch it again.
        here = [c for c in here if c.is_stored] or here
        ordered = self.retention.ranked(here, now, self.host.freed_bytes, n_shares)
        # Where checkpoints share all their segments, dropping just one would free nothing.
        return ordered or self.retention.ranked(here, now, lambda _: 1, n_shares)

    def _next_stored_victim(self) -> Entry | None:
        """The least valuable entry on the host that is also stored below."""
        now = self.entries.clock()

        def may_go(entry: Entry) -> bool:
            return entry.is_stored and self._may_leave_host(entry)

        def ranked(n_shares: int) -> list[Entry]:
            here = filter(may_go, self.entries.all())
            return self.retention.ranked(here, now, self.host.freed_bytes, n_shares)

        return self._stored_victims.next(ranked, now, may_go)

    def _may_leave_host(self, entry: Entry) -> bool:
        return entry.takes_host_memory and not self.in_use.has_copies_in_use(entry)

    def _least(self, candidates: Iterable[Entry], freed: Callable[[Entry], int]) -> Entry | None:
        """The least valuable candidate that would free anything and whose cells are not in use."""
        idle = (c for c in candidates if not self.in_use.has_cells_in_use(c))
        return self.retention.victim(idle, self.entries.clock(), freed)
