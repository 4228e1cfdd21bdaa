"""Idle branches on the device: libllama's attention spans their cells for everybody who runs."""

from segue.homes.residence import NO_SEQ, residence_of
from segue.homes.space import Space
from segue.state.checkpoint import Checkpoint
from segue.state.lineage import common


class Idle:
    """Moves idle branches to the host, as far as there is room, while they keep more than `n_cells_most` cells.

    A branch is idle if no running lane is on it. Nothing is dropped for the sake of speed. Belongs to the engine's
    thread.
    """

    def __init__(self, space: Space, n_cells_most: int) -> None:
        self._space = space
        self._n_cells_most = n_cells_most

    def n_cells(self) -> int:
        """Cells that parked checkpoints keep and no running lane; what is being restored is not idle."""
        parked = self._parked()
        counted = [c for c in parked if self._space.is_kept(c)]
        n_cells = 0
        for checkpoint in parked:
            n_shared = max((common(checkpoint, other) for other in counted), default=0)
            n_cells += checkpoint.n_tokens - max(n_shared, self._space.coverage.n_on_lanes(checkpoint))
            counted.append(checkpoint)
        return n_cells

    def send_away(self) -> None:
        """Move the least valuable idle branches to the host until the others may stay."""
        if not self._space.engine.shape.kind.has_cells:
            return
        while self.n_cells() > self._n_cells_most:
            freed = {c: c.n_tokens - self._space.coverage.n_shared(c, on_device=True) for c in self._parked()}
            victim = self._space.least(freed, freed.__getitem__)
            if victim is None or not self._space.move_to_host(victim):
                return

    def _parked(self) -> list[Checkpoint]:
        return [c for c in self._space.checkpoints() if residence_of(c).seq != NO_SEQ]
