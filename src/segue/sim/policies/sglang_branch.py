"""`sglang_branch`: SGLang's prefix cache for hybrid models, with its extra buffer.

Source: `MambaRadixCache` in python/sglang/srt/mem_cache/mamba_radix_cache.py, and `mamba_branching_seqlen` in
managers/schedule_batch.py.
"""

from typing import Final

from segue.sim.policies.lru import Lru
from segue.sim.request import TraceRequest
from segue.sim.store import Store

_N_CHUNK_TOKENS: Final = 64
_N_PASS_TOKENS: Final = 8192


class SglangBranch(Lru):
    """Each pass over up to 8,192 tokens of a prompt tracks one position, a multiple of 64: its last one, or the one
    where the prompt leaves the tree's attention cells, if the pass goes over that.

    States have an LRU list of their own, so that one can go while the cells of its node stay.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._n_chunk = max(1, _N_CHUNK_TOKENS // store.n_block_tokens)
        self._n_pass = max(1, _N_PASS_TOKENS // store.n_block_tokens)

    def _positions(self, request: TraceRequest, n_start: int, n_known: int) -> list[int]:
        n_prompt = len(request.path)
        branch = n_known // self._n_chunk * self._n_chunk
        tracked = []
        for begin in range(n_start, n_prompt, self._n_pass):
            end = min(begin + self._n_pass, n_prompt)
            position = branch if begin < branch <= end else end // self._n_chunk * self._n_chunk
            if position > begin:
                tracked.append(position)
        return tracked
