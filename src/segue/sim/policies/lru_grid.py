"""`lru_grid`: as `lru`, with checkpoints at every 8,192nd token as well."""

from typing import Final

from segue.sim.policies.lru import Lru
from segue.sim.request import TraceRequest
from segue.sim.store import Store

_N_GRID_TOKENS: Final = 8192


class LruGrid(Lru):
    """A state at every multiple of a number of tokens, wherever messages end, as in caches of whole blocks."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._n_grid = max(1, _N_GRID_TOKENS // store.n_block_tokens)

    def _positions(self, request: TraceRequest, n_start: int, n_known: int) -> list[int]:
        first = (n_start // self._n_grid + 1) * self._n_grid
        return [*range(first, len(request.path), self._n_grid), *super()._positions(request, n_start, n_known)]
