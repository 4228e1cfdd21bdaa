"""The host tier: copies of entries in host memory, made piece by piece."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from segue.cache.entries.entry import Entry, Layout
from segue.cache.entries.segment import Segment
from segue.cache.tiers.base import Usage
from segue.cache.tiers.budget import Budget
from segue.cache.tiers.segment_tree import SegmentTree
from segue.engine.base import Blob, Engine, Logits
from segue.engine.cells import Bytes
from segue.prefix.lineage import ancestors, tokens_of
from segue.storage.errors import DamagedError

Room = Callable[[int], bool]


class HostTier:
    """Makes and drops the host copies of checkpoints; `via` is an empty sequence that copying may pass through.

    A `Room` makes room for so many bytes, or says that there is none. Belongs to the engine's thread.
    """

    def __init__(self, engine: Engine, budget: Budget, via: int) -> None:
        kind = engine.shape.kind
        self._engine = engine
        self.budget = budget
        self._via = via
        self._n_piece = max(64, engine.shape.n_bytes_cells_most // max(1, engine.shape.n_bytes_cell))
        self.segments = SegmentTree(engine, budget)
        is_segmented = kind.shares_cells and engine.is_unified
        self.layout = Layout(is_segmented, needs_blob=kind.has_state_part or not is_segmented)

    def has(self, entry: Entry) -> bool:
        """Whether host memory alone can restore an entry."""
        return entry.is_on_host

    def cost(self, entry: Entry, *, with_logits: bool = True) -> int:  # noqa: ARG002
        """Bytes to put into the context; logits stay where they are."""
        return self._engine.shape.n_bytes_state + entry.n_covered * self._engine.shape.n_bytes_cell

    def put(self, entry: Entry, source: int) -> bool:
        """Copy the next piece of an entry at which sequence `source` stands, until it `is_copied`."""
        return entry.is_copied or self.copy_next(entry, source, self.budget.fits)

    def get(self, entry: Entry, target: int, *, with_logits: bool = True) -> bool:  # noqa: ARG002
        """Make the empty sequence `target` stand at an entry that is here, at once (`Restoration` does it in pieces).

        Raises NoRoomError or StateError, with `target` empty.
        """
        if entry.is_whole:
            assert entry.blob is not None
            self._engine.load(entry.blob, target)
            return True
        cells = [segment.cells for segment in entry.chain if segment.cells is not None]
        self._engine.put_cells(target, cells, entry.n_covered, entry.blob, self._via)
        if entry.blob is not None and self._engine.shape.kind.has_window:
            self._engine.put_part(target, entry.blob)
        return True

    def drop(self, entry: Entry) -> None:
        """Give up all that host memory has of an entry, its logits included."""
        self.drop_logits(entry)
        self.drop_state(entry)

    def usage(self) -> Usage:
        """Bytes of host memory, those reserved for what is to come included."""
        return Usage(self.budget.used_bytes, self.budget.limit_bytes)

    def missing_bytes(self, checkpoint: Entry, seq: int) -> int:
        """What is still to be copied of a checkpoint that `seq` stands at."""
        n_bytes = 0
        if not checkpoint.has_blob:
            n_bytes += self._engine.state_bytes(seq, partial=self.layout.is_segmented)
        if self.layout.is_segmented:
            shape = self._engine.shape
            _, n = self.segments.find(checkpoint.tree, tokens_of(checkpoint))
            n_pieces = len(self._ends(checkpoint, n))
            n_bytes += (checkpoint.n_tokens - n) * shape.n_bytes_cell + n_pieces * shape.n_bytes_segment
        return n_bytes

    def copy_next(self, checkpoint: Entry, seq: int, room: Room) -> bool:
        """Copy the next piece of an incomplete checkpoint that `seq` stands at; False if there is no room for it."""
        if checkpoint.has_chain:
            return self.copy_blob(checkpoint, seq, room)
        tokens = tokens_of(checkpoint)
        segment, start = self.segments.find(checkpoint.tree, tokens)
        if start > checkpoint.n_covered:
            self._segment(checkpoint, segment, start)
            return True
        end = self._ends(checkpoint, start)[0]
        shape = self._engine.shape
        # While room is made, the chain so far must stay.
        self.segments.hold(segment)
        try:
            if not room(shape.n_bytes_segment + (end - start) * shape.n_bytes_cell):
                return False
            cells = self._engine.save_cells(seq, start, end, self._via)
            self._segment(checkpoint, self.segments.add(segment, start, tokens[start:end], cells), end)
        finally:
            self.segments.release(segment)
        return True

    def copy_blob(self, checkpoint: Entry, seq: int, room: Room) -> bool:
        """Copy what of the state no segment holds, unless it is there; False if there is no room for it."""
        if checkpoint.has_blob:
            return True
        if not room(self._engine.state_bytes(seq, partial=self.layout.is_segmented)):
            return False
        blob = self._engine.save(seq, partial=self.layout.is_segmented)
        self.budget.take(blob.n_bytes)
        checkpoint.blob = blob
        checkpoint.n_bytes += blob.n_bytes
        if self._engine.shape.kind.has_window:
            checkpoint.pos_min = max(checkpoint.pos_min, checkpoint.n_tokens - self._engine.shape.n_swa)
        return True

    def adopt(self, checkpoint: Entry) -> bool:
        """Let a checkpoint that loses its cells live on a chain that is there; False if none reaches so far."""
        if not self.layout.is_segmented or not checkpoint.has_blob:
            return False
        segment, n = self.segments.find(checkpoint.tree, tokens_of(checkpoint))
        if n == checkpoint.n_tokens:
            self._segment(checkpoint, segment, n)
        return n == checkpoint.n_tokens

    def keep_logits(self, checkpoint: Entry, logits: Logits, room: Room) -> None:
        """Keep the logits after a checkpoint's last token, if there is room."""
        if checkpoint.logits is None and room(logits.nbytes):
            self.budget.take(logits.nbytes)
            checkpoint.logits, checkpoint.has_far_logits = logits.copy(), False
            checkpoint.n_bytes += logits.nbytes

    def arrays(self, checkpoint: Entry) -> list[Bytes]:
        """What `take_back` takes: the blob and the logits, as far as the host has them."""
        blob = [] if checkpoint.blob is None else [checkpoint.blob.data]
        return blob + ([] if checkpoint.logits is None else [checkpoint.logits.view(np.uint8)])

    def drop_logits(self, checkpoint: Entry) -> None:
        """Give up the logits of a checkpoint, which then needs one token read for them if the disk has none."""
        if checkpoint.logits is not None:
            self.budget.give(checkpoint.logits.nbytes)
            checkpoint.n_bytes -= checkpoint.logits.nbytes
            checkpoint.logits = None
            checkpoint.has_far_logits = checkpoint.stores_logits

    def drop_state(self, checkpoint: Entry) -> None:
        """Give up the copy of a checkpoint's state in memory."""
        self.drop_blob(checkpoint)
        if checkpoint.is_stored:
            self.leave_host(checkpoint)
        else:
            self.drop_segment(checkpoint)

    def drop_blob(self, checkpoint: Entry) -> None:
        """Give up what of the state no segment holds."""
        if checkpoint.blob is not None:
            self.budget.give(checkpoint.blob.n_bytes)
            checkpoint.n_bytes -= checkpoint.blob.n_bytes
            checkpoint.blob = None

    def drop_segment(self, checkpoint: Entry) -> None:
        """Leave the chain of segments."""
        if checkpoint.segment is not None:
            (self.segments.release if checkpoint.is_loaded else self.segments.forget)(checkpoint.segment)
            checkpoint.segment, checkpoint.n_covered, checkpoint.is_loaded = None, 0, False

    def verify(self, parts: Sequence[Bytes], *, has_logits: bool) -> None:
        """Raise DamagedError unless these can be a checkpoint's arrays; any thread. `has_logits`: with logits."""
        n_logits = len(parts) - self.layout.needs_blob
        is_whole = int(has_logits) <= n_logits <= 1
        if not is_whole or (n_logits and parts[-1].nbytes != self._engine.shape.n_bytes_logits):
            sizes = [part.nbytes for part in parts]
            raise DamagedError("a stored state is damaged", f"arrays of {sizes} bytes are not those of a checkpoint")

    def take_back(self, checkpoint: Entry, parts: Sequence[Bytes]) -> None:
        """Take a checkpoint's blob and logits, as they came from the disk, into memory; there is room.

        Raises DamagedError, and takes nothing, where they are not the arrays that it must have.
        """
        self.verify(parts, has_logits=checkpoint.has_far_logits)
        if not checkpoint.has_blob:
            data = parts[0]
            checkpoint.blob = Blob(
                data, checkpoint.n_tokens, self.layout.is_segmented, checkpoint.pos_min, checkpoint.pos_max
            )
            self.budget.take(data.nbytes)
            checkpoint.n_bytes += data.nbytes
        if len(parts) > self.layout.needs_blob and checkpoint.logits is None:
            checkpoint.logits = parts[-1].view(np.float32)
            self.budget.take(checkpoint.logits.nbytes)
            checkpoint.n_bytes += checkpoint.logits.nbytes
            checkpoint.has_far_logits = False

    def leave_memory(self, checkpoint: Entry) -> None:
        """Give up the copies in memory of a checkpoint that is on disk."""
        assert checkpoint.is_stored
        self.drop_logits(checkpoint)
        self.drop_state(checkpoint)

    def stay_on_host(self, checkpoint: Entry) -> None:
        """Let a checkpoint's chain stay in memory, as far as it is there."""
        if checkpoint.segment is not None and not checkpoint.is_loaded:
            checkpoint.is_loaded = True
            checkpoint.segment.n_host += 1

    def leave_host(self, checkpoint: Entry) -> None:
        """Let the chain of a checkpoint leave memory that is on disk."""
        if checkpoint.is_loaded:
            assert checkpoint.segment is not None
            checkpoint.is_loaded = False
            self.segments.leave_host(checkpoint.segment)

    def freed_bytes(self, checkpoint: Entry) -> int:
        """What dropping all copies of a checkpoint would free."""
        segment = checkpoint.segment if checkpoint.is_loaded else None
        return checkpoint.host_bytes + (self.segments.freed_bytes(segment) if segment is not None else 0)

    def _segment(self, checkpoint: Entry, segment: Segment, n_covered: int) -> None:
        self.segments.hold(segment)
        self.drop_segment(checkpoint)
        checkpoint.segment, checkpoint.n_covered, checkpoint.is_loaded = segment, n_covered, True

    def _ends(self, checkpoint: Entry, start: int) -> list[int]:
        """Where the segments of `[start, n_tokens)` end: at each checkpoint, so that each can go alone."""
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
