"""Making room: which checkpoint moves a home down, and which goes."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from segue.engine.base import Engine
from segue.engine.errors import NoRoomError
from segue.homes.budget import Budget
from segue.homes.coverage import Coverage
from segue.homes.residence import NO_SEQ, host_bytes, residence_of
from segue.state.checkpoint import Checkpoint
from segue.state.kind import MemoryKind
from segue.state.lineage import is_prefix, nearest_ancestor
from segue.state.retention import Retention
from segue.state.tree import Tree

log = logging.getLogger("segue.cache")

Clock = Callable[[], float]

_SHARE_RANKED = 16


class Space:
    """The room that checkpoints take: parked sequences on the device, bytes on the host.

    `lane_seqs` are left to the loop, `scratch` to restores; every other sequence of the engine may be parked.
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
        self.coverage = Coverage()
        self.retention = Retention()
        self.trees: dict[str, Tree] = {}
        self.n_evicted = 0
        self._kept: Checkpoint | None = None
        self._host_victims: list[tuple[Checkpoint, float]] = []

    def tree(self, scope: str) -> Tree:
        """The tree of a cache scope; state never crosses scopes."""
        return self.trees.setdefault(scope, Tree())

    def checkpoints(self) -> Iterator[Checkpoint]:
        """Everything kept, of all scopes."""
        for tree in self.trees.values():
            yield from tree.checkpoints()

    @contextmanager
    def keeping(self, checkpoint: Checkpoint | None) -> Iterator[None]:
        """Meanwhile neither this checkpoint goes nor any whose cells it may live on."""
        self._kept = checkpoint
        try:
            yield
        finally:
            self._kept = None

    def host_room(self, n_bytes: int) -> bool:
        """Make room for this much on the host by dropping what is worth least; False if it can never fit."""
        if n_bytes > self.host.limit_bytes:
            return False
        while not self.host.fits(n_bytes):
            victim = self._next_host_victim()
            if victim is None:
                return False
            if residence_of(victim).blob is None:
                self.drop_logits(victim)
            else:
                self.evict(victim)
        return True

    def seq(self) -> int | None:
        """A free sequence to park on, if need be by moving the least valuable parked checkpoint out of the way."""
        while not self.free_seqs:
            parked = [c for c in self.checkpoints() if residence_of(c).seq != NO_SEQ]
            shared = [c for c in parked if self._n_shared(c) == c.n_tokens]
            victim = self.least(shared or parked, lambda _: self.engine.shape.n_bytes_state or 1)
            if victim is None:
                return None
            self.demote(victim)
        return self.free_seqs.pop()

    def free_cells(self) -> bool:
        """Free some attention cells of parked checkpoints; False if none of them would free any."""
        parked = [c for c in self.checkpoints() if residence_of(c).seq != NO_SEQ]
        freed = {c: c.n_tokens - self.coverage.n_shared(c, on_device=True) for c in parked}
        shape = self.engine.shape
        n_bytes_window = shape.n_bytes_state if shape.kind.has_window else 0
        # Paths tell what can be shared, not what is: the same path, read twice, lies in cells of its own.
        victim = self.least(freed, lambda c: freed[c] * shape.n_bytes_cell + n_bytes_window)
        victim = victim or self.least(freed, lambda _: 1)
        if victim is None:
            return False
        if not freed[victim]:
            self.demote(victim)
            return True
        is_mostly_its_own = 2 * freed[victim] >= victim.n_tokens
        if not (is_mostly_its_own and self._to_host(victim, partial=False)) and not self._shrink(victim):
            self.evict(victim)
        return True

    def demote(self, checkpoint: Checkpoint) -> None:
        """Move a parked checkpoint to the host, or drop it if it does not fit or would mostly be a copy."""
        n_shared = self._n_shared(checkpoint)
        covered = n_shared == checkpoint.n_tokens
        worth_whole = 2 * n_shared <= checkpoint.n_tokens
        if not ((covered or worth_whole) and self._to_host(checkpoint, partial=covered)):
            self.evict(checkpoint)

    def move_to_host(self, checkpoint: Checkpoint) -> bool:
        """Move a parked checkpoint to the host if there is room; nothing else moves or goes for it."""
        residence = residence_of(checkpoint)
        partial = self._n_shared(checkpoint) == checkpoint.n_tokens
        n_bytes = self.engine.state_bytes(residence.seq, partial=partial)
        if not self.host.fits(n_bytes - (residence.blob.n_bytes if residence.blob else 0)):
            return False
        return self._to_host(checkpoint, partial=partial)

    def evict(self, checkpoint: Checkpoint) -> None:
        """Drop a checkpoint, and those that cannot live without its cells; their paths stay known."""
        keeps_cells = self.engine.shape.kind.has_cells and residence_of(checkpoint).is_holder
        orphans = list(self.coverage.orphans(checkpoint)) if keeps_cells else []
        for gone in (checkpoint, *orphans):
            self._forget(gone)

    def drop_logits(self, checkpoint: Checkpoint) -> None:
        """Give up the logits of a checkpoint, which then needs one token read for them."""
        if checkpoint.logits is not None:
            self.host.give(checkpoint.logits.nbytes)
            checkpoint.n_bytes -= checkpoint.logits.nbytes
            checkpoint.logits = None

    def release_seq(self, checkpoint: Checkpoint) -> None:
        """Take a checkpoint off its parked sequence."""
        residence = residence_of(checkpoint)
        if residence.seq != NO_SEQ:
            self.engine.drop(residence.seq)
            self.free_seqs.append(residence.seq)
            residence.seq = NO_SEQ
            self.coverage.update(checkpoint)

    def note_window(self, checkpoint: Checkpoint) -> None:
        """Record what a parked window surely holds: libllama may take the cells that the next token would not see."""
        if self.engine.shape.kind.has_window:
            checkpoint.pos_min = max(checkpoint.pos_min, checkpoint.n_tokens - self.engine.shape.n_swa + 1)

    def copy_out(self, checkpoint: Checkpoint, seq: int, *, partial: bool) -> bool:
        """Copy the state of `seq`, which stands at the checkpoint, to the host; False if it does not fit."""
        before = residence_of(checkpoint).blob
        n_bytes = self.engine.state_bytes(seq, partial=partial)
        if not self.host_room(n_bytes - (before.n_bytes if before else 0)):
            return False
        self.drop_blob(checkpoint)
        blob = self.engine.save(seq, partial=partial)
        self.host.take(blob.n_bytes)
        residence_of(checkpoint).blob = blob
        checkpoint.n_bytes += blob.n_bytes
        self.coverage.update(checkpoint)
        return True

    def _to_host(self, checkpoint: Checkpoint, *, partial: bool) -> bool:
        """Move a parked checkpoint to the host; the attention kind has no partial state and leaves nothing."""
        started = time.perf_counter()
        kind = self.engine.shape.kind
        if not (partial and kind is MemoryKind.ATTENTION):
            seq = residence_of(checkpoint).seq
            if not self.copy_out(checkpoint, seq, partial=partial and kind.has_cells):
                return False
            if partial and self._n_shared(checkpoint) < checkpoint.n_tokens:
                return False  # what it was to live on had to go for its sake
        self.release_seq(checkpoint)
        log_event("demoted", checkpoint, residence_of(checkpoint).home, started)
        return True

    def drop_blob(self, checkpoint: Checkpoint) -> None:
        """Give up the host copy of a checkpoint."""
        residence = residence_of(checkpoint)
        if residence.blob is not None:
            self.host.give(residence.blob.n_bytes)
            checkpoint.n_bytes -= residence.blob.n_bytes
            residence.blob = None

    def _shrink(self, checkpoint: Checkpoint) -> bool:
        """Let the deepest checkpoint below keep the cells instead, so that only the tail is freed."""
        heir = next(self.coverage.orphans(checkpoint), None)
        if heir is None:
            return False
        seq, blob = residence_of(checkpoint).seq, residence_of(heir).blob
        try:
            self.engine.borrow(seq, self.scratch, heir.n_tokens, blob)
        except NoRoomError:
            return False
        self.engine.drop(seq)
        self.engine.copy(self.scratch, seq, own_window=True)
        self.engine.drop(self.scratch)
        residence_of(checkpoint).seq = NO_SEQ
        residence_of(heir).seq = seq
        self.note_window(heir)
        self.drop_blob(heir)
        self.coverage.update(heir)
        self._forget(checkpoint)
        return True

    def _forget(self, checkpoint: Checkpoint) -> None:
        started = time.perf_counter()
        home = residence_of(checkpoint).home
        heir = nearest_ancestor(checkpoint)
        for lane in self.coverage.lanes.values():
            if lane.anchor is checkpoint:
                lane.anchor = heir
                lane.n_anchor = min(lane.n_anchor, heir.n_tokens) if heir else 0
        log_event("evicted", checkpoint, home, started)
        self.drop_logits(checkpoint)
        self.drop_blob(checkpoint)
        self.release_seq(checkpoint)
        residence_of(checkpoint).tree.detach(checkpoint)
        self.coverage.update(checkpoint)
        self.n_evicted += 1

    def _n_shared(self, checkpoint: Checkpoint) -> int:
        """How many of its cells others keep; all of them where the memory has none."""
        return self.coverage.n_shared(checkpoint) if self.engine.shape.kind.has_cells else checkpoint.n_tokens

    def _next_host_victim(self) -> Checkpoint | None:
        """The least valuable on the host; ranking thousands for each one dropped would stop the engine."""
        while self._host_victims:
            checkpoint, ranked = self._host_victims.pop()
            is_as_ranked = checkpoint.branch is not None and checkpoint.last_used <= ranked
            if is_as_ranked and host_bytes(checkpoint) and not self.is_kept(checkpoint):
                return checkpoint
        now = self.clock()
        ordered = self.retention.ranked((c for c in self.checkpoints() if not self.is_kept(c)), now, host_bytes)
        self._host_victims = [(c, now) for c in reversed(ordered[: 1 + len(ordered) // _SHARE_RANKED])]
        return self._host_victims.pop()[0] if self._host_victims else None

    def least(self, candidates: Iterable[Checkpoint], freed: Callable[[Checkpoint], int]) -> Checkpoint | None:
        """The least valuable of those that would free anything and are not kept."""
        return self.retention.victim((c for c in candidates if not self.is_kept(c)), self.clock(), freed)

    def is_kept(self, checkpoint: Checkpoint) -> bool:
        """Whether it must stay for the sake of what `keeping` names."""
        kept = self._kept
        if kept is None or checkpoint is kept:
            return checkpoint is kept
        needs_others = kept.branch is not None and not residence_of(kept).is_holder
        return needs_others and residence_of(checkpoint).is_holder and is_prefix(kept, checkpoint)


def log_event(what: str, checkpoint: Checkpoint, home: str, started: float) -> None:
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
