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
from segue.engine.errors import StateError
from segue.engine.state import Bytes, Cells, State
from segue.policy.prices import Prices
from segue.prefix.lineage import ancestors, tokens_of
from segue.storage.errors import DamagedError

Room = Callable[[int], bool]


class HostTier:
    """Makes and drops the host copies of checkpoints; `via` is an empty sequence that copies may pass through.

    A `Room` makes room for a number of bytes, or returns False. `prices` learns how long copies take. Belongs to the
    engine's thread.
    """

    def __init__(self, engine: Engine, budget: Budget, via: int, prices: Prices) -> None:
        kind = engine.shape.kind
        self._engine = engine
        self.budget = budget
        self._via = via
        self._prices = prices
        self._n_piece = max(64, engine.shape.n_bytes_cells_most // max(1, engine.shape.n_bytes_cell))
        self.segments = SegmentTree(engine, budget)
        is_segmented = kind.shares_cells and engine.is_unified
        self.layout = Layout(is_segmented, needs_state=kind.has_state_part or not is_segmented)

    def has(self, entry: Entry) -> bool:
        """Whether host memory alone can restore an entry."""
        return entry.is_on_host

    def cost(self, entry: Entry, *, with_logits: bool = True) -> int:  # noqa: ARG002
        """Bytes to copy into the context; logits stay where they are."""
        if self.layout.is_segmented:
            return max(self._engine.shape.n_bytes_state, self.moved_bytes(entry.n_covered))
        return self._engine.shape.n_bytes_state + entry.n_tokens * self._engine.shape.n_bytes_cell

    def moved_bytes(self, n_tokens: int) -> int:
        """The bytes of the cells of `n_tokens`, and of the state, which libllama moves with each piece of them."""
        n_pieces = -(-n_tokens // self._n_piece)
        return n_pieces * self._engine.shape.n_bytes_state + n_tokens * self._engine.shape.n_bytes_cell

    def put(self, entry: Entry, source: int) -> bool:
        """Copy the next piece of an entry at which `source` stands; call this until it `is_complete_off_device`.

        False if there is no room without dropping anything.
        """
        return entry.is_complete_off_device or self.copy_next(entry, source, self.budget.fits)

    def get(self, entry: Entry, target: int, *, with_logits: bool = True, n_tokens: int | None = None) -> bool:  # noqa: ARG002
        """Load the next piece of an entry into `target`; the length of `target` tells which.

        Call this until `target` has all tokens, or, with plain attention, the first `n_tokens`. Raises NoRoomError or
        StateError, with `target` empty or unchanged.
        """
        started = self._prices.clock()
        if entry.is_whole:
            assert entry.state is not None
            self._engine.load(entry.state, target)
            self._prices.record_load(entry.state.n_bytes, self._prices.clock() - started)
            return True
        n_held = self._engine.length(target)
        runs, end = next_piece(entry, n_held, n_tokens, self._n_piece)
        self._engine.put_cells(target, runs, end, entry.state, self._via)
        if end == entry.n_covered and entry.state is not None and self._engine.shape.kind.has_window:
            self._engine.put_state(target, entry.state)
        self._prices.record_load(self.moved_bytes(end - n_held), self._prices.clock() - started)
        return True

    def drop(self, entry: Entry) -> None:
        """Drop the copies of an entry in host memory, including its logits."""
        self.drop_logits(entry)
        self.drop_copy(entry)

    def usage(self) -> Usage:
        """Bytes of host memory, including those reserved for pending reads."""
        return Usage(self.budget.used_bytes, self.budget.limit_bytes)

    def missing_bytes(self, entry: Entry, seq: int) -> int:
        """The bytes still to be copied of a checkpoint at which `seq` stands."""
        n_bytes = 0
        if not entry.has_state_on_host:
            n_bytes += self._engine.state_bytes(seq, partial=self.layout.is_segmented)
        if self.layout.is_segmented:
            shape = self._engine.shape
            _, n = self.segments.find(entry.tree, tokens_of(entry))
            n_pieces = len(self._ends(entry, n))
            n_bytes += (entry.n_tokens - n) * shape.n_bytes_cell + n_pieces * shape.n_bytes_segment
        return n_bytes

    def copy_next(self, entry: Entry, seq: int, room: Room) -> bool:
        """Copy the next piece of an incomplete checkpoint at which `seq` stands; False if there is no room for it."""
        if entry.has_whole_chain:
            return self.copy_state(entry, seq, room)
        tokens = tokens_of(entry)
        segment, start = self.segments.find(entry.tree, tokens)
        if start > entry.n_covered:
            self._segment(entry, segment, start)
            return True
        ends = self._next_ends(entry, start)
        shape = self._engine.shape
        # Making room must not evict the chain copied so far.
        self.segments.hold(segment)
        try:
            if not room(len(ends) * shape.n_bytes_segment + (ends[-1] - start) * shape.n_bytes_cell):
                return False
            below = segment
            for cells in self._save_cells(seq, start, ends):
                below = self.segments.add(below, cells.start, tokens[cells.start : cells.end], cells)
                self._segment(entry, below, cells.end)
        finally:
            self.segments.release(segment)
        return True

    def copy_state(self, entry: Entry, seq: int, room: Room) -> bool:
        """Copy the state that no segment holds, unless it is already there; False if there is no room for it."""
        if entry.has_state_on_host:
            return True
        if not room(self._engine.state_bytes(seq, partial=self.layout.is_segmented)):
            return False
        started = self._prices.clock()
        state = self._engine.save(seq, partial=self.layout.is_segmented)
        self._prices.record_save(state.n_bytes, self._prices.clock() - started)
        self.budget.charge(state.n_bytes)
        entry.state = state
        entry.n_bytes += state.n_bytes
        if self._engine.shape.kind.has_window:
            entry.pos_min = max(entry.pos_min, entry.n_tokens - self._engine.shape.n_swa)
        return True

    def adopt(self, entry: Entry) -> bool:
        """Attach a checkpoint that loses its cells to an existing chain; False if no chain covers all its tokens."""
        if not self.layout.is_segmented or not entry.has_state_on_host:
            return False
        segment, n = self.segments.find(entry.tree, tokens_of(entry))
        if n == entry.n_tokens:
            self._segment(entry, segment, n)
        return n == entry.n_tokens

    def keep_logits(self, entry: Entry, logits: Logits, room: Room) -> None:
        """Keep the logits after a checkpoint's last token, if there is room."""
        if entry.logits is None and room(logits.nbytes):
            self.budget.charge(logits.nbytes)
            entry.logits, entry.has_far_logits = logits.copy(), False
            entry.n_bytes += logits.nbytes

    def arrays(self, entry: Entry) -> list[Bytes]:
        """The state and the logits as `bring_back` takes them, as far as the host has them."""
        return entry_to_arrays(entry.state, entry.logits)

    def drop_logits(self, entry: Entry) -> None:
        """Drop the logits of a checkpoint; unless a lower tier has them, one token must then be read to get them."""
        if entry.logits is not None:
            self.budget.refund(entry.logits.nbytes)
            entry.n_bytes -= entry.logits.nbytes
            entry.logits = None
            entry.has_far_logits = entry.stores_logits

    def drop_copy(self, entry: Entry) -> None:
        """Drop the copy of a checkpoint in memory, except for its logits."""
        self.drop_state(entry)
        if entry.is_stored:
            self.unload_chain(entry)
        else:
            self.detach_chain(entry)

    def drop_state(self, entry: Entry) -> None:
        """Drop the state that no segment holds."""
        if entry.state is not None:
            self.budget.refund(entry.state.n_bytes)
            entry.n_bytes -= entry.state.n_bytes
            entry.state = None

    def detach_chain(self, entry: Entry) -> None:
        """Detach a checkpoint from its chain of segments."""
        if entry.segment is not None:
            (self.segments.release if entry.holds_chain else self.segments.release_far)(entry.segment)
            entry.segment, entry.n_covered, entry.holds_chain = None, 0, False

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

    def bring_back(self, entry: Entry, arrays: Sequence[Bytes]) -> None:
        """Bring a checkpoint's state and logits, as read from a lower tier, back to memory; the caller has made room.

        Raises DamagedError, and takes nothing, if these cannot be its arrays.
        """
        state, logits = self.read_arrays(arrays, entry.n_tokens, has_logits=entry.has_far_logits)
        if entry.state is None and state is not None:
            entry.state = state
            self.budget.charge(state.n_bytes)
            entry.n_bytes += state.n_bytes
        if entry.logits is None and logits is not None:
            entry.logits, entry.has_far_logits = logits, False
            self.budget.charge(logits.nbytes)
            entry.n_bytes += logits.nbytes

    def hold_chain(self, entry: Entry) -> None:
        """Keep those segments of a checkpoint's chain that are in memory there."""
        if entry.segment is not None and not entry.holds_chain:
            entry.holds_chain = True
            entry.segment.n_host += 1

    def unload_chain(self, entry: Entry) -> None:
        """Let the chain of a checkpoint that is stored below leave memory, as far as nothing else counts on it."""
        if entry.holds_chain:
            assert entry.segment is not None
            entry.holds_chain = False
            self.segments.unload(entry.segment)

    def freed_bytes(self, entry: Entry) -> int:
        """The bytes that dropping all copies of a checkpoint would free."""
        segment = entry.segment if entry.holds_chain else None
        return entry.host_bytes + (self.segments.freed_bytes(segment) if segment is not None else 0)

    def _save_cells(self, seq: int, start: int, ends: list[int]) -> list[Cells]:
        """Copy the cells of the segments that end at `ends`, or of the first one if they cannot be told apart."""
        started = self._prices.clock()
        cells = self._engine.save_cells(seq, start, ends[-1], self._via)
        self._prices.record_save(self.moved_bytes(ends[-1] - start), self._prices.clock() - started)
        if len(ends) == 1:
            return [cells]
        try:
            return [self._engine.cut(cells, end, begin) for begin, end in pairwise((start, *ends))]
        except StateError:
            return [self._engine.save_cells(seq, start, ends[0], self._via)]

    def _segment(self, entry: Entry, segment: Segment, n_covered: int) -> None:
        self.segments.hold(segment)
        self.detach_chain(entry)
        entry.segment, entry.n_covered, entry.holds_chain = segment, n_covered, True

    def _next_ends(self, entry: Entry, start: int) -> list[int]:
        """The ends of the next segments that are copied together: a call copies the state, too, so few cells are not
        worth a call of their own.
        """
        ends = self._ends(entry, start)
        n_most = self._engine.shape.n_bytes_state // max(1, self._engine.shape.n_bytes_cell)
        n_ends = 1
        for low, high in pairwise(ends):
            if high - low >= n_most or high - start > self._n_piece:
                break
            n_ends += 1
        return ends[:n_ends]

    def _ends(self, entry: Entry, start: int) -> list[int]:
        """The ends of the segments of `[start, n_tokens)`: one at each checkpoint, so that each can go alone."""
        ends = [entry.n_tokens]
        for ancestor in ancestors(entry):
            if ancestor.n_tokens <= start:
                break
            ends.append(ancestor.n_tokens)
        ends.append(start)
        ends.reverse()
        cut: list[int] = []
        for low, high in pairwise(ends):
            cut += [*range(low + self._n_piece, high, self._n_piece), high]
        return cut
