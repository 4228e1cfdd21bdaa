"""Idle branches on the device: libllama's attention spans their cells for everybody who runs."""

from segue.homes.space import Space
from segue.state.checkpoint import Checkpoint
from segue.state.lineage import common


class Idle:
    """Moves idle branches to the host, as far as there is room, while they keep more than `n_cells_most` cells.

    A branch is idle if no running lane is on it. While none runs at all, the one used last may stay: it is likely to go
    on, and slows nobody. Nothing is dropped for the sake of speed. Belongs to the engine's thread.
    """

    def __init__(self, space: Space, n_cells_most: int) -> None:
        self._space = space
        self._n_cells_most = n_cells_most

    def n_cells(self) -> int:
        """Cells that idle parked checkpoints keep."""
        parked = self._space.parked()
        counted = self._spared(parked)
        n_cells = 0
        for checkpoint in parked:
            n_shared = max((common(checkpoint, other) for other in counted), default=0)
            n_cells += checkpoint.n_tokens - max(n_shared, self._space.coverage.n_on_lanes(checkpoint))
            counted.append(checkpoint)
        return n_cells

    def send_one_away(self) -> bool:
        """Move the least valuable idle branch to the host; False if all may stay or none can go."""
        if not self._space.engine.shape.kind.has_cells or self.n_cells() <= self._n_cells_most:
            return False
        parked = self._space.parked()
        spared = self._spared(parked)
        coverage = self._space.coverage
        freed = {c: c.n_tokens - coverage.n_shared(c) for c in parked if c not in spared}
        victim = self._space.least(freed, freed.__getitem__)
        return victim is not None and self._space.move_to_host(victim)

    def _spared(self, parked: list[Checkpoint]) -> list[Checkpoint]:
        if self._space.coverage.lanes or not parked:
            return []
        return [max(parked, key=lambda checkpoint: checkpoint.last_used)]
