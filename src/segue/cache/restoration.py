"""A sequence on its way to an entry: at once where cells can be shared, else piece by piece from segments."""

import time
from collections import deque
from collections.abc import Iterable, Iterator

from segue.cache.entries.entry import Entry
from segue.cache.entries.segment import Segment
from segue.cache.eviction import Evictor
from segue.engine.cells import Cells
from segue.engine.errors import NoRoomError, StateError

Piece = tuple[list[Cells], int]


class Restoration:
    """Makes the empty `lane` stand at the first `n_tokens` of a checkpoint's path.

    All that it needs is in memory, and must stay there until it is done. `n_loaded_bytes` were put into the context in
    `loading_s`. Belongs to the engine's thread.
    """

    def __init__(self, evictor: Evictor, lane: int, checkpoint: Entry, n_tokens: int) -> None:
        self.lane = lane
        self.checkpoint = checkpoint
        self.n_tokens = n_tokens
        self.tree = checkpoint.tree
        self.started = time.perf_counter()
        self.is_done = False
        self.n_loaded_bytes = 0
        self.loading_s = 0.0
        self._evictor = evictor
        self._pieces: deque[Piece] | None = None

    def step(self) -> None:
        """Take one step. Raises NoRoomError if the cells are full: make room and step again.

        Raises StateError if the engine does not take the state, or if the checkpoint was dropped for that meanwhile.
        """
        engine, checkpoint = self._evictor.device.engine, self.checkpoint
        if not checkpoint.is_attached:
            raise StateError("the checkpoint was dropped")
        if self._pieces is not None:
            self._load()
        elif checkpoint.is_parked:
            self._evictor.device.get(checkpoint, self.lane)
        elif checkpoint.is_whole:
            self._evictor.host.get(checkpoint, self.lane)
        elif (src := self._evictor.device.owners.seq_over(checkpoint)) is not None:
            engine.borrow(src, self.lane, checkpoint.n_tokens, checkpoint.blob)
        else:
            assert checkpoint.segment is not None, "a checkpoint in the tree has lost its cells"
            # Plain attention can stop anywhere; what has a state of its own must first stand where that belongs.
            n_load = self.n_tokens if checkpoint.blob is None else checkpoint.n_covered
            self._pieces = deque(
                pieces(_cells(checkpoint.segment.chain(checkpoint.n_covered)), n_load, engine.shape.n_bytes_cells_most)
            )
            self._load()
        self.is_done = not self._pieces
        if self.is_done and self.n_tokens < engine.length(self.lane):
            engine.rewind(self.lane, self.n_tokens)

    def refused(self) -> list[Entry]:
        """After a StateError: who needs what was refused, the checkpoint and all on the same cells of a chain."""
        if self._pieces is None or self.checkpoint.segment is None:
            return [self.checkpoint]
        length = self._evictor.device.engine.length(self.lane)
        segment = next(
            (segment for segment, end in self.checkpoint.segment.chain(self.checkpoint.n_covered) if end > length), None
        )
        if segment is None:
            return [self.checkpoint]
        below = set(segment.below())
        return [one for one in self._evictor.entries.all() if one.segment in below]

    def _load(self) -> None:
        assert self._pieces
        engine, part = self._evictor.device.engine, self.checkpoint.blob
        cells, end = self._pieces[0]
        if engine.length(self.lane) < end:
            started = time.perf_counter()
            engine.put_cells(self.lane, cells, end, part, self._evictor.device.scratch)
            self.loading_s += time.perf_counter() - started
            self.n_loaded_bytes += sum(one.n_bytes for one in cells)
        if len(self._pieces) == 1 and part is not None and engine.shape.kind.has_window:
            try:
                engine.put_part(self.lane, part)
            except NoRoomError:
                self._pieces = None  # the lane was emptied: from the start again
                raise
        self._pieces.popleft()


def pieces(chain: Iterable[tuple[Cells, int]], n_tokens: int, n_bytes_most: int) -> list[Piece]:
    """Neighbours gathered up to a size; only the last of a piece may be followed less than to its end."""
    found: list[Piece] = []
    n_bytes = 0
    can_grow = False
    for cells, end in chain:
        if cells.start >= n_tokens:
            break
        end = min(end, n_tokens)
        if can_grow and n_bytes + cells.n_bytes <= n_bytes_most:
            found[-1] = ([*found[-1][0], cells], end)
            n_bytes += cells.n_bytes
        else:
            found.append(([cells], end))
            n_bytes = cells.n_bytes
        can_grow = end == cells.end
    return found


def _cells(chain: Iterable[tuple[Segment, int]]) -> Iterator[tuple[Cells, int]]:
    for segment, end in chain:
        assert segment.cells is not None, "a segment is not in memory"
        yield segment.cells, end
