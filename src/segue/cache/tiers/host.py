"""The host tier: copies of entries in host memory, made piece by piece."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from segue.cache.entries.arrays import entry_from_arrays, entry_to_arrays
from segue.cache.entries.entry import Entry, Layout
from segue.cache.entries.segment import Segment
from segue.cache.tiers.base import Usage
from segue.cache.tiers.budget import Budget
from segue.cache.tiers.pieces import next_piece
from segue.cache.tiers.segment_tree import SegmentTree
from segue.engine.base import Engine, Logits
from segue.engine.state import Bytes, State
from segue.prefix.lineage import ancestors, tokens_of
from segue.storage.errors import DamagedError

Room = Callable[[int], bool]


class HostTier:
    """Makes and drops the host copies of checkpoints; `via` is an empty sequence that copies may pass through.

    A `Room` makes room for a number of bytes, or returns False. Belongs to the engine's thread.
    """

    def __init__(self, engine: Engine, budget: Budget, via: int) -> None:
        kind = engine.shape.kind
        self._engine = engine
        self.budget = budget
        self._via = via
        self._n_piece = max(64, engine.shape.n_bytes_cells_most // max(1, engine.shape.n_bytes_cell))
        self.segments = SegmentTree(engine, budget)
        is_segmented = kind.shares_cells and engine.is_unified
        self.layout = Layout(is_segmented, needs_state=kind.has_state_part or not is_segmented)

    def has(self, entry: Entry) -> bool:
        """Whether host memory alone can restore an entry."""
        return entry.is_on_host

    def cost(self, entry: Entry, *, with_logits: bool = True) -> int:  # noqa: ARG002
        """Bytes to copy into the context; logits stay where they are."""
        return self._engine.shape.n_bytes_state + entry.n_covered * self._engine.shape.n_bytes_cell

    def put(self, entry: Entry, source: int) -> bool:
        """Copy the next piece of an entry at which sequence `source` stands; call this until it `is_copied`.

        False if there is no room without dropping anything.
        """
        return entry.is_copied or self.copy_next(entry, source, self.budget.fits)

    def get(self, entry: Entry, target: int, *, with_logits: bool = True, n_tokens: int | None = None) -> bool:  # noqa: ARG002
        """Load the next piece of an entry into `target`, whose length shows which one that is.

        Call this until `target` has all tokens, or, with plain attention, the first `n_tokens`. Raises NoRoomError or
        StateError, with `target` empty or unchanged.
        """
        if entry.is_whole:
            assert entry.state is not None
            self._engine.load(entry.state, target)
            return True
        runs, end = next_piece(entry, self._engine.length(target), n_tokens, self._n_piece)
        self._engine.put_cells(target, runs, end, entry.state, self._via)
        if end == entry.n_covered and entry.state is not None and self._engine.shape.kind.has_window:
            self._engine.put_state(target, entry.state)
        return True

    def drop(self, entry: Entry) -> None:
        """Drop the copies of an entry in host memory, including its logits."""
        self.drop_logits(entry)
        self.drop_copy(entry)

    def usage(self) -> Usage:
        """Bytes of host memory, including those reserved for pending reads."""
        return Usage(self.budget.used_bytes, self.budget.limit_bytes)

    def missing_bytes(self, checkpoint: Entry, seq: int) -> int:
        """The bytes still to be copied of a checkpoint at which `seq` stands."""
        n_bytes = 0
        if not checkpoint.has_state:
            n_bytes += self._engine.state_bytes(seq, partial=self.layout.is_segmented)
        if self.layout.is_segmented:
            shape = self._engine.shape
            _, n = self.segments.find(checkpoint.tree, tokens_of(checkpoint))
            n_pieces = len(self._ends(checkpoint, n))
            n_bytes += (checkpoint.n_tokens - n) * shape.n_bytes_cell + n_pieces * shape.n_bytes_segment
        return n_bytes

    def copy_next(self, checkpoint: Entry, seq: int, room: Room) -> bool:
        """Copy the next piece of an incomplete checkpoint at which `seq` stands; False if there is no room for it."""
        if checkpoint.has_chain:
            return self.copy_state(checkpoint, seq, room)
        tokens = tokens_of(checkpoint)
        segment, start = self.segments.find(checkpoint.tree, tokens)
        if start > checkpoint.n_covered:
            self._segment(checkpoint, segment, start)
            return True
        end = self._ends(checkpoint, start)[0]
        shape = self._engine.shape
        # Making room must not evict the chain copied so far.
        self.segments.hold(segment)
        try:
            if not room(shape.n_bytes_segment + (end - start) * shape.n_bytes_cell):
                return False
            cells = self._engine.save_cells(seq, start, end, self._via)
            self._segment(checkpoint, self.segments.add(segment, start, tokens[start:end], cells), end)
        finally:
            self.segments.release(segment)
        return True

    def copy_state(self, checkpoint: Entry, seq: int, room: Room) -> bool:
        """Copy the state that no segment holds, unless it is already there; False if there is no room for it."""
        if checkpoint.has_state:
            return True
        if not room(self._engine.state_bytes(seq, partial=self.layout.is_segmented)):
            return False
        state = self._engine.save(seq, partial=self.layout.is_segmented)
        self.budget.charge(state.n_bytes)
        checkpoint.state = state
        checkpoint.n_bytes += state.n_bytes
        if self._engine.shape.kind.has_window:
            checkpoint.pos_min = max(checkpoint.pos_min, checkpoint.n_tokens - self._engine.shape.n_swa)
        return True

    def adopt(self, checkpoint: Entry) -> bool:
        """Attach a checkpoint that loses its cells to an existing chain; False if no chain covers all its tokens."""
        if not self.layout.is_segmented or not checkpoint.has_state:
            return False
        segment, n = self.segments.find(checkpoint.tree, tokens_of(checkpoint))
        if n == checkpoint.n_tokens:
            self._segment(checkpoint, segment, n)
        return n == checkpoint.n_tokens

    def keep_logits(self, checkpoint: Entry, logits: Logits, room: Room) -> None:
        """Keep the logits after a checkpoint's last token, if there is room."""
        if checkpoint.logits is None and room(logits.nbytes):
            self.budget.charge(logits.nbytes)
            checkpoint.logits, checkpoint.has_far_logits = logits.copy(), False
            checkpoint.n_bytes += logits.nbytes

    def arrays(self, checkpoint: Entry) -> list[Bytes]:
        """The state and the logits as `bring_back` takes them, as far as the host has them."""
        return entry_to_arrays(checkpoint.state, checkpoint.logits)

    def drop_logits(self, checkpoint: Entry) -> None:
        """Drop the logits of a checkpoint; unless the disk has them, one token must then be read to get them."""
        if checkpoint.logits is not None:
            self.budget.refund(checkpoint.logits.nbytes)
            checkpoint.n_bytes -= checkpoint.logits.nbytes
            checkpoint.logits = None
            checkpoint.has_far_logits = checkpoint.stores_logits

    def drop_copy(self, checkpoint: Entry) -> None:
        """Drop the copy of a checkpoint in memory, except for its logits."""
        self.drop_state(checkpoint)
        if checkpoint.is_stored:
            self.unload_chain(checkpoint)
        else:
            self.drop_segment(checkpoint)

    def drop_state(self, checkpoint: Entry) -> None:
        """Drop the state that no segment holds."""
        if checkpoint.state is not None:
            self.budget.refund(checkpoint.state.n_bytes)
            checkpoint.n_bytes -= checkpoint.state.n_bytes
            checkpoint.state = None

    def drop_segment(self, checkpoint: Entry) -> None:
        """Detach a checkpoint from its chain of segments."""
        if checkpoint.segment is not None:
            (self.segments.release if checkpoint.is_loaded else self.segments.release_unloaded)(checkpoint.segment)
            checkpoint.segment, checkpoint.n_covered, checkpoint.is_loaded = None, 0, False

    def read_arrays(
        self, arrays: Sequence[Bytes], n_tokens: int, *, has_logits: bool
    ) -> tuple[State | None, Logits | None]:
        """The state and the logits of a checkpoint at `n_tokens`; `has_logits` requires logits. Any thread.

        Raises DamagedError if these cannot be its arrays.
        """
        try:
            state, logits = entry_from_arrays(arrays)
        except ValueError as error:
            raise DamagedError("a stored state is damaged", str(error)) from error
        wanted = (n_tokens, self.layout.is_segmented) if self.layout.needs_state else None
        if wanted != (None if state is None else (state.n_tokens, state.is_partial)):
            raise DamagedError("a stored state is damaged", f"it is not that of the first {n_tokens} tokens")
        n_bytes = self._engine.shape.n_bytes_logits
        if (logits is None and has_logits) or (logits is not None and logits.nbytes != n_bytes):
            raise DamagedError("a stored state is damaged", f"it does not have logits of {n_bytes} bytes")
        return state, logits

    def bring_back(self, checkpoint: Entry, arrays: Sequence[Bytes]) -> None:
        """Bring a checkpoint's state and logits, as read from the disk, back to memory; the caller has made room.

        Raises DamagedError, and takes nothing, if these cannot be its arrays.
        """
        state, logits = self.read_arrays(arrays, checkpoint.n_tokens, has_logits=checkpoint.has_far_logits)
        if checkpoint.state is None and state is not None:
            checkpoint.state = state
            self.budget.charge(state.n_bytes)
            checkpoint.n_bytes += state.n_bytes
        if checkpoint.logits is None and logits is not None:
            checkpoint.logits, checkpoint.has_far_logits = logits, False
            self.budget.charge(logits.nbytes)
            checkpoint.n_bytes += logits.nbytes

    def hold_chain(self, checkpoint: Entry) -> None:
        """Count on the segments of a checkpoint's chain in memory: those that are there stay."""
        if checkpoint.segment is not None and not checkpoint.is_loaded:
            checkpoint.is_loaded = True
            checkpoint.segment.n_host += 1

    def unload_chain(self, checkpoint: Entry) -> None:
        """Let the chain of a checkpoint that is on disk leave memory, as far as nothing else counts on it."""
        if checkpoint.is_loaded:
            assert checkpoint.segment is not None
            checkpoint.is_loaded = False
            self.segments.unload(checkpoint.segment)

    def freed_bytes(self, checkpoint: Entry) -> int:
        """The bytes that dropping all copies of a checkpoint would free."""
        segment = checkpoint.segment if checkpoint.is_loaded else None
        return checkpoint.host_bytes + (self.segments.freed_bytes(segment) if segment is not None else 0)

    def _segment(self, checkpoint: Entry, segment: Segment, n_covered: int) -> None:
        self.segments.hold(segment)
        self.drop_segment(checkpoint)
        checkpoint.segment, checkpoint.n_covered, checkpoint.is_loaded = segment, n_covered, True

    def _ends(self, checkpoint: Entry, start: int) -> list[int]:
        """The ends of the segments of `[start, n_tokens)`: one at each checkpoint, so that each can go alone."""
        ends = [checkpoint.n_tokens]
        for ancestor in ancestors(checkpoint):
            if ancestor.n_tokens <= start:
                break
            ends.append(ancestor.n_tokens)
        ends.append(start)
        ends.reverse()
        cut: list[int] = []
        for low, high in pairwise(ends):
            cut += [*range(low + self._n_piece, high, self._n_piece), high]
        return cut
