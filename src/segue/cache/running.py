"""The running sequences as the cache sees them: which path each is on, and which entries each keeps alive."""

from segue.cache.entries.entry import Entry
from segue.cache.eviction import Evictor
from segue.cache.tiers.owners import RunningSequence
from segue.prefix.tree import Tree
from segue.prefix.visit import Visit


class RunningSequences:
    """The engine's first sequences, each empty or in use. Belongs to the engine's thread."""

    def __init__(self, evictor: Evictor) -> None:
        self._evictor = evictor
        self._engine = evictor.device.engine
        self._running = evictor.device.owners.running

    def __getitem__(self, seq: int) -> RunningSequence:
        return self._running[seq]

    def __contains__(self, seq: int) -> bool:
        return seq in self._running

    def start(self, seq: int, tree: Tree[Entry], visit: Visit | None) -> RunningSequence:
        """Start to use an empty sequence; `visit` is its request, None where the server reads for itself."""
        running = self._running[seq] = RunningSequence(seq=seq, tree=tree, visit=visit)
        return running

    def move(self, src: int, dst: int) -> None:
        """Move the state of `src` to the empty sequence `dst`, and empty `src`."""
        self._engine.copy(src, dst)
        self._engine.drop(src)
        running = self._running.pop(src)
        running.seq = dst
        self._running[dst] = running

    def clear(self, seq: int) -> None:
        """Empty a sequence, in use or not. Entries that lose their cells move to a chain of segments or are evicted."""
        gone = self._running.pop(seq, None)
        if gone is not None:
            for entry in gone.fresh:
                entry.is_fresh = False
            if gone.restoring is not None:
                self._evictor.in_use.release(gone.restoring)
        self._engine.drop(seq)
        if gone is not None and gone.anchor is not None and self._engine.shape.kind.shares_cells:
            self._evictor.move_or_remove_below(gone.anchor)
