"""`vllm_align`: vLLM's prefix cache for hybrid models, `--mamba-cache-mode align`.

Source: `Scheduler._mamba_block_aligned_split` in vllm/v1/core/sched/scheduler.py and pull request 30877; junctions:
`num_uncached_common_prefix_tokens` there, after Marconi.
"""

from typing import Final

from segue.sim.policies.lru import Lru
from segue.sim.request import TraceRequest
from segue.sim.store import Store

_N_BLOCK_TOKENS: Final = 528
_N_BATCH_TOKENS: Final = 2048


class VllmAlign(Lru):
    """States stand on a grid of blocks that are as large in attention pages as one state: 528 tokens for Qwen3.5-4B.

    A prompt is read in batches of at most 2,048 tokens (`max_num_batched_tokens`), each cut down to whole blocks; the
    state is kept where a batch ends on the grid, the last time at the last whole block before the prompt's last token.
    `junctions`: where attention blocks are known further than states, the reading stops at the last of them too. Both
    sizes are rounded to whole blocks of the trace, and known attention blocks are taken to be there for ever.
    """

    def __init__(self, store: Store, *, junctions: bool = True) -> None:
        super().__init__(store)
        self._junctions = junctions
        self._n_block = -(-_N_BLOCK_TOKENS // store.n_block_tokens)
        self._n_batch = max(self._n_block, _N_BATCH_TOKENS // store.n_block_tokens)

    def _positions(self, request: TraceRequest, n_start: int, n_known: int) -> list[int]:
        n_last = (request.n_prompt_tokens - 1) // self._store.n_block_tokens // self._n_block * self._n_block
        junction = n_known // self._n_block * self._n_block if self._junctions else 0
        positions = []
        position = n_start
        while position < n_last:
            n_new = min((position + self._n_batch) // self._n_block * self._n_block, n_last) - position
            if self._n_block <= junction - position < n_new:
                n_new = junction - position
            position += n_new
            positions.append(position)
        return positions
