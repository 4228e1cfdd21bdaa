"""Making room: which checkpoint moves a home down, and which goes."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from segue.engine.base import Engine
from segue.engine.errors import NoRoomError, StateError
from segue.homes.budget import Budget
from segue.homes.copies import Copies
from segue.homes.coverage import Coverage
from segue.homes.entry import NO_SEQ, Entry
from segue.state.lineage import ancestors, is_prefix, nearest_ancestor
from segue.state.loss import Loss
from segue.state.retention import Retention
from segue.state.tree import Tree
from segue.state.victims import Victims

log = logging.getLogger("segue.cache")

Clock = Callable[[], float]


class Disk(Protocol):
    """The home below the host."""

    def drop(self, checkpoint: Entry) -> None:
        """Forget what is stored of a checkpoint that goes."""


class Space:
    """The room that checkpoints take: parked sequences on the device, bytes on the host.

    `n_lanes` sequences are left to the loop, `scratch` to copies; every other sequence of the engine may be parked.
    Belongs to the engine's thread. Nothing valid is dropped but for room.
    """

    def __init__(
        self, engine: Engine, n_lanes: int, n_parked: int, limit_host_bytes: int, clock: Clock = time.monotonic
    ) -> None:
        self.engine = engine
        self.clock = clock
        self.scratch = n_lanes
        self.n_parked = n_parked
        self.free_seqs = list(range(n_lanes + n_parked, n_lanes, -1))
        self.host = Budget(limit_host_bytes)
        self.copies = Copies(engine, self.host, self.scratch)
        self.coverage = Coverage()
        self.retention = Retention()
        self.trees: dict[str, Tree[Entry]] = {}
        self.n_evicted = 0
        self.disk: Disk | None = None
        self.held: Counter[Entry] = Counter()
        self._kept: list[Entry] = []
        self._host_victims = Victims[Entry]()
        self._stored_victims = Victims[Entry]()

    def tree(self, scope: str) -> Tree[Entry]:
        """The tree of a cache scope; state never crosses scopes."""
        return self.trees.setdefault(scope, Tree[Entry]())

    def checkpoints(self) -> Iterator[Entry]:
        """Everything kept, of all scopes."""
        for tree in self.trees.values():
            yield from tree.checkpoints()

    def parked(self) -> list[Entry]:
        """All parked checkpoints."""
        return [checkpoint for tree in self.trees.values() for checkpoint in self.coverage.parked(tree)]

    @contextmanager
    def keeping(self, checkpoint: Entry) -> Iterator[None]:
        """Meanwhile neither this checkpoint goes nor any whose cells it may live on."""
        self._kept.append(checkpoint)
        try:
            yield
        finally:
            self._kept.pop()

    def hold(self, checkpoint: Entry) -> None:
        """Until `release`, which may be much later, its copies in memory and on disk stay."""
        self.held[checkpoint] += 1

    def release(self, checkpoint: Entry) -> None:
        """Take back one `hold`."""
        self.held[checkpoint] -= 1
        if not self.held[checkpoint]:
            del self.held[checkpoint]

    def host_room(self, n_bytes: int) -> bool:
        """Make room for this much on the host by dropping what is worth least; False if it can never fit."""
        if n_bytes > self.host.limit_bytes:
            return False
        while not self.host.fits(n_bytes):
            victim = self._next_host_victim()
            if victim is None:
                return False
            if victim.is_stored:
                self.copies.leave_memory(victim)
            elif victim.is_parked:
                self.copies.drop_state(victim)
                self.copies.drop_logits(victim)
            elif not victim.is_copied and victim.logits is not None:
                self.copies.drop_logits(victim)
            else:
                self.evict(victim)
        return True

    def stored_room(self, n_bytes: int) -> bool:
        """Make room for this much on the host by letting go what is on disk too; nothing is lost for it."""
        while not self.host.fits(n_bytes):
            victim = self._next_stored_victim()
            if victim is None:
                return False
            self.copies.leave_memory(victim)
        return True

    def seq(self) -> int | None:
        """A free sequence to park on, if need be by moving the least valuable parked checkpoint out of the way."""
        while not self.free_seqs:
            parked, now = self.parked(), self.clock()
            # Moving a shared one is cheap, but where the host is full it goes: then what is pinned comes last.
            shared = [c for c in parked if self._is_shared(c) and not c.is_pinned(now)]
            victim = self._least(shared or parked, lambda _: self.engine.shape.n_bytes_state or 1)
            if victim is None:
                return None
            self.demote(victim)
        return self.free_seqs.pop()

    def free_cells(self) -> bool:
        """Free some attention cells of parked checkpoints; False if none of them would free any."""
        freed = {c: c.n_tokens - self.coverage.n_shared(c) for c in self.parked()}
        shape = self.engine.shape
        n_bytes_window = shape.n_bytes_state if shape.kind.has_window else 0
        # Paths tell what can be shared, not what is: the same path, read twice, lies in cells of its own.
        victim = self._least(freed, lambda c: freed[c] * shape.n_bytes_cell + n_bytes_window)
        victim = victim or self._least(freed, lambda _: 1)
        if victim is None:
            return False
        if not self._to_host(victim, self.host_room) and not self._shrink(victim):
            self.evict(victim)
        return True

    def demote(self, checkpoint: Entry) -> None:
        """Move a parked checkpoint to the host, or drop it if it does not fit."""
        if not self._to_host(checkpoint, self.host_room):
            self.evict(checkpoint)

    def move_to_host(self, checkpoint: Entry) -> bool:
        """Move a parked checkpoint to the host if there is room; nothing else moves or goes for it."""
        return self._to_host(checkpoint, self.host.fits)

    def copy_all(self, checkpoint: Entry, seq: int, room: Callable[[int], bool]) -> bool:
        """Copy all of a checkpoint that `seq` stands at to the host; False if there is no room, with nothing copied."""
        if checkpoint.is_copied:
            return True
        had_blob = checkpoint.blob is not None
        if not room(self.copies.missing_bytes(checkpoint, seq)):
            return False
        while not checkpoint.is_copied:
            if not self.copies.copy_next(checkpoint, seq, room):
                self.copies.drop_link(checkpoint)
                if not had_blob:
                    self.copies.drop_blob(checkpoint)
                return False
        return True

    def evict(self, checkpoint: Entry, *, loss: Loss | None = Loss.EVICTED) -> None:
        """Drop a checkpoint, and those that cannot live without its cells; their paths stay known.

        `loss` is the reason reported if a later prompt would have used it; None where none would.
        """
        orphans = list(self.coverage.orphans(checkpoint)) if self._keeps_cells(checkpoint) else []
        self._forget(checkpoint, loss=loss)
        self._rehome(orphans)

    def lose_copies(self, checkpoint: Entry) -> None:
        """Do without what is saved of a checkpoint, which is of no use: it goes, unless it is parked."""
        if not checkpoint.is_attached:
            return
        if not checkpoint.is_parked:
            self.evict(checkpoint, loss=Loss.DAMAGED)
            return
        if checkpoint.is_stored and self.disk is not None:
            self.disk.drop(checkpoint)
        self.copies.drop_blob(checkpoint)
        self.copies.drop_link(checkpoint)

    def settle(self, checkpoint: Entry) -> None:
        """A lane is gone that had read up to a checkpoint: those that lived on its cells move to a chain, or go."""
        left = [checkpoint, *ancestors(checkpoint)]
        self._rehome(c for c in left if not c.has_cells and self.coverage.seq_over(c) is None)

    def release_seq(self, checkpoint: Entry) -> None:
        """Take a checkpoint off its parked sequence; those on its cells move to its chain, or go."""
        if not checkpoint.is_parked:
            return
        orphans = list(self.coverage.orphans(checkpoint)) if self._keeps_cells(checkpoint) else []
        self.engine.drop(checkpoint.seq)
        self.free_seqs.append(checkpoint.seq)
        checkpoint.seq = NO_SEQ
        self.coverage.update(checkpoint)
        self._rehome(orphans)

    def note_window(self, checkpoint: Entry) -> None:
        """Record what a parked window surely holds: libllama may take the cells that the next token would not see."""
        if self.engine.shape.kind.has_window:
            checkpoint.pos_min = max(checkpoint.pos_min, checkpoint.n_tokens - self.engine.shape.n_swa + 1)

    def _to_host(self, checkpoint: Entry, room: Callable[[int], bool]) -> bool:
        """Move a parked checkpoint to the host; of one whose cells others keep only what they do not."""
        started = time.perf_counter()
        seq = checkpoint.seq
        with self.keeping(checkpoint):
            has_copy = checkpoint.is_stored
            if self._is_shared(checkpoint) and not has_copy and not self.copies.copy_blob(checkpoint, seq, room):
                return False
            # What it was to live on may have had to go for its sake.
            if not self._is_shared(checkpoint) and not self.copy_all(checkpoint, seq, room):
                return False
        self.release_seq(checkpoint)
        log_event("demoted", checkpoint, checkpoint.home, started)
        return True

    def _shrink(self, checkpoint: Entry) -> bool:
        """Let the deepest checkpoint below keep the cells instead, so that only the tail is freed."""
        heir = next(self.coverage.orphans(checkpoint), None)
        if heir is None:
            return False
        seq, blob = checkpoint.seq, heir.blob
        try:
            self.engine.borrow(seq, self.scratch, heir.n_tokens, blob)
        except (NoRoomError, StateError):
            return False
        self.engine.drop(seq)
        self.engine.copy(self.scratch, seq, own_window=True)
        self.engine.drop(self.scratch)
        checkpoint.seq = NO_SEQ
        heir.seq = seq
        self.note_window(heir)
        self.copies.drop_state(heir)
        self.coverage.update(heir)
        self._forget(checkpoint)
        return True

    def _forget(self, checkpoint: Entry, *, loss: Loss | None = Loss.EVICTED) -> None:
        started = time.perf_counter()
        heir = nearest_ancestor(checkpoint)
        for lane in self.coverage.lanes.values():
            if lane.anchor is checkpoint:
                lane.anchor = heir
                lane.n_anchor = min(lane.n_anchor, heir.n_tokens) if heir else 0
        log_event((loss or Loss.EVICTED).value, checkpoint, checkpoint.home, started)
        if checkpoint.is_stored and self.disk is not None:
            self.disk.drop(checkpoint)
        self.copies.drop_logits(checkpoint)
        self.copies.drop_state(checkpoint)
        if checkpoint.is_parked:
            self.engine.drop(checkpoint.seq)
            self.free_seqs.append(checkpoint.seq)
            checkpoint.seq = NO_SEQ
        checkpoint.tree.detach(checkpoint, loss=loss)
        self.coverage.update(checkpoint)
        self.n_evicted += loss is Loss.EVICTED

    def _rehome(self, orphans: Iterable[Entry]) -> None:
        for orphan in orphans:
            if not self.copies.adopt(orphan):
                self._forget(orphan)

    def _keeps_cells(self, checkpoint: Entry) -> bool:
        return checkpoint.is_parked and self.engine.shape.kind.shares_cells

    def _is_shared(self, checkpoint: Entry) -> bool:
        """Whether other sequences keep all of its cells as well; so it is where the memory has none."""
        return not self.engine.shape.kind.shares_cells or self.coverage.n_shared(checkpoint) == checkpoint.n_tokens

    def _next_host_victim(self) -> Entry | None:
        """The least valuable on the host."""
        now = self.clock()
        return self._host_victims.next(
            lambda n: self._ranked_on_host(now, n), now, lambda c: c.takes_host_memory and not self.is_kept(c)
        )

    def _ranked_on_host(self, now: float, n_shares: int) -> list[Entry]:
        here = [c for c in self.checkpoints() if c.takes_host_memory and not self.is_kept(c)]
        # What is on disk as well loses nothing but time.
        here = [c for c in here if c.is_stored] or here
        ordered = self.retention.ranked(here, now, self.copies.freed_bytes, n_shares)
        # Where checkpoints share all their links, none of them would free anything by itself.
        return ordered or self.retention.ranked(here, now, lambda _: 1, n_shares)

    def _next_stored_victim(self) -> Entry | None:
        """The least valuable of those on the host that are on disk too."""
        now = self.clock()

        def may_go(checkpoint: Entry) -> bool:
            is_twice = checkpoint.is_stored and checkpoint.takes_host_memory
            return is_twice and not self.is_kept(checkpoint)

        def ranked(n_shares: int) -> list[Entry]:
            here = filter(may_go, self.checkpoints())
            return self.retention.ranked(here, now, self.copies.freed_bytes, n_shares)

        return self._stored_victims.next(ranked, now, may_go)

    def _least(self, candidates: Iterable[Entry], freed: Callable[[Entry], int]) -> Entry | None:
        """The least valuable of those that would free anything and that nothing must stay for meanwhile."""
        return self.retention.victim((c for c in candidates if not self._is_needed(c)), self.clock(), freed)

    def is_kept(self, checkpoint: Entry) -> bool:
        """Whether it must stay: one of `held`, or for the sake of what `keeping` names."""
        return checkpoint in self.held or self._is_needed(checkpoint)

    def _is_needed(self, checkpoint: Entry) -> bool:
        return any(self._keeps(kept, checkpoint) for kept in self._kept)

    def _keeps(self, kept: Entry, checkpoint: Entry) -> bool:
        if checkpoint is kept:
            return True
        needs_others = kept.is_attached and not kept.has_cells
        return needs_others and checkpoint.is_parked and is_prefix(kept, checkpoint)


def log_event(what: str, checkpoint: Entry, home: str, started: float) -> None:
    """One debug line about a checkpoint, in the words that llama-server's users know."""
    if log.isEnabledFor(logging.DEBUG):
        log.debug(
            "checkpoint %s: pos_min=%d pos_max=%d pos_end=%d n_tokens=%d origin=%s home=%s size=%.3f MiB in %.2f ms",
            what,
            checkpoint.pos_min,
            checkpoint.pos_max,
            checkpoint.pos_end,
            checkpoint.n_tokens,
            checkpoint.origin.value,
            home,
            checkpoint.n_bytes / 2**20,
            1000 * (time.perf_counter() - started),
        )
