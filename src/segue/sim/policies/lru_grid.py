"""`lru_grid`: as `lru`, with checkpoints at every 8,192nd token as well."""

from typing import Final

from segue.sim.policies.lru import Lru
from segue.sim.store import Store

_N_GRID_TOKENS: Final = 8192


class LruGrid(Lru):
    """A state every 8,192 tokens, as llama-server had for long prompts and as block caches have."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._n_grid = max(1, _N_GRID_TOKENS // store.n_block_tokens)

    def _positions(self, n_start: int, n_prompt: int) -> list[int]:
        first = n_start // self._n_grid + 1
        grid = range(first * self._n_grid, n_prompt, self._n_grid)
        return [*grid, *super()._positions(n_start, n_prompt)]
