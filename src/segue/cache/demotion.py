"""Demotes idle parked paths to the host, since libllama's attention scans their cells for every running sequence."""

from segue.cache.entries.entry import Entry
from segue.cache.eviction import Evictor
from segue.prefix.lineage import common


class Demotion:
    """Moves idle paths to the host, as far as there is room, while they keep more than `n_cells_most` cells.

    A parked path is idle if no running sequence is on it. While nothing runs, the path used last may stay: it is likely
    to continue, and it slows no other sequence. It is copied anyway, so that it can leave at once when another path is
    needed; where copies are slow, so is everything that is parked. No entry is dropped for this. Belongs to the
    engine's thread.
    """

    def __init__(self, evictor: Evictor, n_cells_most: int) -> None:
        self._evictor = evictor
        self._n_cells_most = n_cells_most

    def n_cells(self) -> int:
        """The number of cells that idle parked entries keep."""
        parked = self._evictor.device.parked()
        counted = self._spared(parked)
        n_cells = 0
        for entry in parked:
            n_shared = max((common(entry, other) for other in counted), default=0)
            n_cells += entry.n_tokens - max(n_shared, self._evictor.device.owners.n_on_running(entry))
            counted.append(entry)
        return n_cells

    def demote_next(self) -> bool:
        """Copy a piece of an idle path, or demote a copied one; False if none needs to leave the device, or can."""
        parked = self._evictor.device.parked()
        spared = self._spared(parked)
        shares_cells = self._evictor.device.engine.shape.kind.shares_cells
        if not shares_cells or self.n_cells() <= self._n_cells_most:
            return any(self._copy(entry) for entry in self._to_copy(parked, spared))
        owners = self._evictor.device.owners
        freed = {entry: entry.n_tokens - owners.n_shared(entry) for entry in parked if entry not in spared}
        # The longest path goes first: it frees most, and does so before running sequences take cells behind it.
        victim = max(freed, key=freed.__getitem__, default=None)
        if victim is None or not freed[victim]:
            return False
        return self._copy(victim) or self._evictor.demote(victim, self._evictor.host.budget.fits)

    def _to_copy(self, parked: list[Entry], spared: list[Entry]) -> list[Entry]:
        """The parked entries to copy although they stay, so that their sequences can be freed at once."""
        if self._evictor.device.owners.running or not self._evictor.costs.copies_are_slow:
            return spared if self._evictor.device.engine.shape.kind.shares_cells else []
        return [*spared, *(entry for entry in parked if self._evictor.costs.are_worth_idle_time(entry))]

    def _copy(self, entry: Entry) -> bool:
        """Copy the next piece of a path; False if there is no room for it, or nothing left to copy."""
        evictor = self._evictor
        if entry.is_complete_off_device:
            return False
        with evictor.in_use.using(entry):
            return evictor.host.put(entry, entry.seq)

    def _spared(self, parked: list[Entry]) -> list[Entry]:
        if self._evictor.device.owners.running or not parked:
            return []
        return [max(parked, key=lambda entry: entry.last_used)]
