"""The tree of segments: the attention cells of all checkpoints off the device, with shared prefixes stored once."""

import logging

import numpy as np

from segue.cache.entries.entry import Entry
from segue.cache.entries.segment import Segment
from segue.cache.tiers.budget import Budget
from segue.common_prefix import n_equal
from segue.engine.base import Engine, Tokens
from segue.engine.errors import EngineError
from segue.engine.state import Cells
from segue.prefix.tree import Tree

log = logging.getLogger(__name__)


class SegmentTree:
    """The segments of all namespaces; `budget` counts those in memory. Belongs to the engine's thread.

    Tokens prove which path a segment is on. A segment is dropped with the last checkpoint or child that depends on it;
    a tail that is only in memory is trimmed once no checkpoint needs it.
    """

    def __init__(self, engine: Engine, budget: Budget) -> None:
        self._engine = engine
        self._budget = budget
        self.roots: dict[Tree[Entry], Segment] = {}

    def find(self, tree: Tree[Entry], tokens: Tokens) -> tuple[Segment, int]:
        """The segment in which a path's chain ends, and how many tokens of the path the chain holds."""
        segment, n = self.roots.setdefault(tree, Segment.root()), 0
        while n < len(tokens):
            child = segment.children.get((n, int(tokens[n])))
            if child is None:
                break
            segment = child
            n += n_equal(tokens[n:], child.tokens)
        return segment, n

    def add(self, parent: Segment, start: int, tokens: Tokens, cells: Cells | None) -> Segment:
        """Add a segment, for which there is room, for tokens that follow, or branch off, those of `parent`."""
        assert parent.start <= start <= parent.end
        if cells is not None:
            self._budget.charge(cells.n_bytes)
        segment = Segment(parent=parent, start=start, tokens=np.array(tokens, np.int32), cells=cells)
        parent.children[start, int(tokens[0])] = segment
        return segment

    def bring_back(self, segment: Segment, cells: Cells) -> None:
        """Put back the cells of a segment that only the lower tier has; its parents have theirs.

        The caller has made room.
        """
        assert segment.cells is None
        self._budget.charge(cells.n_bytes)
        segment.cells = cells

    def hold(self, segment: Segment) -> None:
        """Note that one more checkpoint in memory needs this chain."""
        segment.n_users += 1
        segment.n_host += 1

    def release(self, segment: Segment) -> None:
        """Note that a checkpoint in memory no longer needs this chain; drop the segments that nothing needs."""
        self.unload(segment)
        self.release_far(segment)

    def unload(self, segment: Segment) -> None:
        """Note that a checkpoint no longer needs this chain in memory, but keeps it.

        Cells that are stored below leave memory unless another checkpoint needs them there.
        """
        segment.n_host -= 1
        assert segment.n_host >= 0
        self._unload_unneeded(segment)

    def release_far(self, segment: Segment) -> None:
        """Note that a checkpoint outside memory no longer needs this chain; drop the segments that nothing needs."""
        segment.n_users -= 1
        assert segment.n_users >= segment.n_host
        while not segment.is_needed and segment.parent is not None:
            parent = segment.parent
            self._drop_cells(segment)
            del parent.children[segment.start, int(segment.tokens[0])]
            segment = parent
        self._unload_unneeded(segment)
        if not segment.n_users and not segment.is_stored and not segment.is_being_written:
            self._trim(segment)

    def unstore(self, segment: Segment) -> list[Segment]:
        """Mark segments, from one up, that the lower tier no longer needs as not stored; returns them, deepest first.

        Those without cells in memory are lost, and the caller must drop the checkpoints that depend on them.
        """
        gone = []
        for one in segment.up():
            if not one.is_stored or one.is_needed_below:
                break
            one.file = ""
            gone.append(one)
        return gone

    def freed_bytes(self, segment: Segment) -> int:
        """The bytes that `release` would free: segments that only one checkpoint depends on, without trimmed tails."""
        n_bytes = 0
        n_own, n_below = 1, 0
        for one in segment.up():
            n_loaded = sum(child.cells is not None for child in one.children.values())
            if one.n_host > n_own or n_loaded > n_below:
                break
            n_bytes += one.n_bytes
            n_own, n_below = 0, 1
        return n_bytes

    def check_integrity(self) -> int:
        """Assert the invariants of the segments; returns the bytes that they take in memory."""
        n_bytes = 0
        for root in self.roots.values():
            for segment in root.below():
                n_bytes += segment.n_bytes
                parent = segment.parent
                if parent is not None:
                    assert segment.is_needed, "a segment is kept that nothing needs"
                    assert segment.cells is not None or segment.is_stored
                    assert segment.cells is None or (segment.cells.start, segment.cells.end) == (
                        segment.start,
                        segment.end,
                    )
                    assert parent.parent is None or not segment.is_stored or parent.is_stored
                    assert segment.is_needed_on_host or segment.cells is None or not segment.is_stored
                    assert parent.start < segment.start <= parent.end or parent.parent is None
                for (start, token), child in segment.children.items():
                    assert child.parent is segment
                    assert (child.start, child.tokens[0]) == (start, token)
                    assert start == segment.end or segment.tokens[start - segment.start] != token
        return n_bytes

    def _unload_unneeded(self, segment: Segment) -> None:
        """Drop the cells, from a segment up, that are stored below and that no checkpoint in memory depends on."""
        for one in segment.up():
            if one.is_needed_on_host or not one.is_stored:
                break
            self._drop_cells(one)

    def _drop_cells(self, segment: Segment) -> None:
        self._budget.refund(segment.n_bytes)
        segment.cells = None

    def _trim(self, segment: Segment) -> None:
        """Drop the tail behind the last child of a segment in which no checkpoint ends."""
        end = max((start for start, _ in segment.children), default=segment.end)
        if segment.cells is None or end == segment.end:
            return
        try:
            cells = self._engine.cut(segment.cells, end)
        except EngineError as error:
            log.debug("a tail stays: %s", error)
            return
        self._budget.refund(segment.n_bytes - cells.n_bytes)
        segment.cells, segment.tokens = cells, segment.tokens[: end - segment.start].copy()
