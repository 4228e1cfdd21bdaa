"""`pos_end`: a rule on positions alone, the one that Segue started from."""

from typing import Final

from segue.memory import MemoryKind
from segue.sim.capacity import Capacity
from segue.sim.model import SimulatedModel
from segue.sim.policies.llama_server import LlamaServer, Saved
from segue.sim.request import TraceRequest

_N_BATCH: Final = 512


class PosEnd(LlamaServer):
    """The slots, lists and host of `llama_server`; positions decide which checkpoints are valid.

    A checkpoint stores `pos_end`, the exclusive end of its prefix. One that reaches beyond the new prompt's end is
    rejected. Of the others, with `pos_next` the length of the common prefix: a recurrent or hybrid state is valid if
    its `pos_max` lies before `pos_next`, any other one if the window that it holds begins early enough,
    `pos_min < max(0, pos_next - n_swa)`, or at 0. The largest valid one is restored. What ends beyond the new prompt or
    beyond `pos_next` is pruned. A window's memory holds a batch of 512 tokens more than the window.
    """

    def __init__(
        self,
        capacity: Capacity,
        model: SimulatedModel,
        n_block_tokens: int,
        kind: MemoryKind = MemoryKind.HYBRID,
        n_swa: int = 0,
    ) -> None:
        super().__init__(capacity, model, n_block_tokens)
        self._kind = kind
        self._n_swa = n_swa

    def _is_usable(self, saved: Saved, n_past: int, request: TraceRequest) -> bool:
        pos_end, pos_next = saved.n_tokens, n_past
        if pos_end > len(request.path):
            return False
        if self._kind.has_recurrent:
            return pos_end - 1 < pos_next
        pos_min = max(0, pos_end - self._n_swa - _N_BATCH)
        return pos_min == 0 or pos_min < max(0, pos_next - self._n_swa)

    def _stays(self, saved: Saved, n_past: int, request: TraceRequest) -> bool:
        return saved.n_tokens <= min(len(request.path), n_past)
