"""Offloads idle branches from the device, since libllama's attention scans their cells for every running sequence."""

from segue.cache.entries.entry import Entry
from segue.cache.eviction import Evictor
from segue.prefix.lineage import common


class Offload:
    """Moves idle branches to the host, as far as there is room, while they keep more than `n_cells_most` cells.

    A branch is idle if no running sequence is on it. While nothing runs, the branch used last may stay: it is likely
    to continue, and it slows no other sequence. It is copied anyway, so that it can leave at once when another branch
    is needed. Offloading never drops an entry. Belongs to the engine's thread.
    """

    def __init__(self, evictor: Evictor, n_cells_most: int) -> None:
        self._evictor = evictor
        self._n_cells_most = n_cells_most

    def n_cells(self) -> int:
        """The number of cells that idle parked checkpoints keep."""
        parked = self._evictor.device.parked()
        counted = self._spared(parked)
        n_cells = 0
        for checkpoint in parked:
            n_shared = max((common(checkpoint, other) for other in counted), default=0)
            n_cells += checkpoint.n_tokens - max(n_shared, self._evictor.device.owners.n_on_running(checkpoint))
            counted.append(checkpoint)
        return n_cells

    def offload_next(self) -> bool:
        """Copy a piece of an idle branch, or move a copied one to the host; False if nothing needs to, or can, move."""
        if not self._evictor.device.engine.shape.kind.shares_cells:
            return False
        parked = self._evictor.device.parked()
        spared = self._spared(parked)
        if self.n_cells() <= self._n_cells_most:
            return any(self._copy(checkpoint) for checkpoint in spared)
        owners = self._evictor.device.owners
        freed = {c: c.n_tokens - owners.n_shared(c) for c in parked if c not in spared}
        # The longest branch goes first: it frees most, and does so before running sequences take cells behind it.
        victim = max(freed, key=freed.__getitem__, default=None)
        if victim is None or not freed[victim]:
            return False
        return self._copy(victim) or self._evictor.move_to_host(victim)

    def _copy(self, checkpoint: Entry) -> bool:
        """Copy the next piece of a branch; False if there is no room for it, or nothing left to copy."""
        evictor = self._evictor
        if checkpoint.is_copied:
            return False
        with evictor.in_use.using(checkpoint):
            return evictor.host.put(checkpoint, checkpoint.seq)

    def _spared(self, parked: list[Entry]) -> list[Entry]:
        if self._evictor.device.owners.running or not parked:
            return []
        return [max(parked, key=lambda checkpoint: checkpoint.last_used)]
