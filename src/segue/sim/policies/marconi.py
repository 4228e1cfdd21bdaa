"""`marconi`: few checkpoints, each judged by the work that it saves for its bytes.

Source: Pan et al., Marconi: Prefix Caching for the Era of Hybrid LLMs, MLSys 2025, arXiv 2411.19379, sections 4.1 and
4.2.
"""

from heapq import nsmallest
from typing import Final

from segue.policy.victims import Victims, n_in_share
from segue.prefix.checkpoint import Checkpoint
from segue.prefix.lineage import descendants, is_consumed, nearest_ancestor
from segue.sim.model import SimulatedModel
from segue.sim.policies.lru import Lru
from segue.sim.request import TraceRequest
from segue.sim.store import Store

ALPHAS: Final = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
_WINDOW: Final = 5


class Marconi(Lru):
    """At most two states a request: at its end, reply included, and where its prompt branches off a known path.

    The one with the least recency + alpha * FLOPs saved per byte goes, both brought to 0 to 1 among all; one with two
    or more below it stays. Alpha is 0 until something must go; then requests are recorded, five times as many as came
    before, and the alpha is taken with which a replay of them has most hits.
    """

    def __init__(self, store: Store, model: SimulatedModel, alpha: float | None = None) -> None:
        super().__init__(store)
        self._model = model
        self._alpha = alpha or 0.0
        self._is_tuned = alpha is not None
        self._n_before = 0
        self._recorded: list[TraceRequest] = []
        self._victims = Victims()

    def serve(self, request: TraceRequest) -> int:
        """As every LRU; and tune alpha once there is enough to tune on."""
        n_start = super().serve(request)
        if not self._is_tuned:
            self._record(request)
        return n_start

    def _positions(self, request: TraceRequest, n_start: int, n_known: int) -> list[int]:
        end = len(request.whole)
        return [n_known, end] if n_start < n_known < len(request.path) else [end]

    def _victim(self, now: float) -> Checkpoint:
        victim = self._victims.next(self._ranked, now, lambda _: True)
        assert victim is not None, "a tree has leaves, and they may go"
        return victim

    def _ranked(self, n_shares: int) -> list[Checkpoint]:
        """Those that may go, the one with the lowest score first."""
        candidates = [c for c in self._store.kept if next(descendants(c), None) is None or is_consumed(c)]
        oldest, newest = candidates[0].last_used, candidates[-1].last_used
        efficiency = {c: self._efficiency(c) for c in candidates}
        least, most = min(efficiency.values()), max(efficiency.values())

        def score(checkpoint: Checkpoint) -> float:
            recency = (checkpoint.last_used - oldest) / ((newest - oldest) or 1.0)
            return recency + self._alpha * (efficiency[checkpoint] - least) / ((most - least) or 1.0)

        return nsmallest(n_in_share(len(candidates), n_shares), candidates, key=score)

    def _efficiency(self, checkpoint: Checkpoint) -> float:
        """FLOPs that a hit saves over one of the nearest checkpoint above, for each byte of state and cells."""
        above = nearest_ancestor(checkpoint)
        n_block = self._store.n_block_tokens
        begin, end = (above.n_tokens * n_block if above else 0), checkpoint.n_tokens * n_block
        n = end - begin
        flops = self._model.n_flops_token * n + self._model.n_flops_pair * (end * end - begin * begin) / 2
        return flops / (self._model.n_bytes_state + n * self._model.n_bytes_cell)

    def _record(self, request: TraceRequest) -> None:
        if not self._store.n_dropped:
            self._n_before += 1
            return
        self._recorded.append(request)
        if len(self._recorded) == _WINDOW * self._n_before:
            self._alpha = max(ALPHAS, key=self._n_hit_with)
            self._is_tuned = True
            self._recorded = []

    def _n_hit_with(self, alpha: float) -> int:
        store = Store(self._store.capacity, self._model, self._store.n_block_tokens)
        policy = Marconi(store, self._model, alpha)
        return sum(policy.serve(request) for request in self._recorded)
