"""`lru`: a checkpoint at each prompt's end, and the least recently used one goes."""

from segue.sim.policy import Counts
from segue.sim.request import Request
from segue.sim.store import Store
from segue.state.checkpoint import Origin


class Lru:
    """The plainest rule: what most prefix caches do, with one state a request."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def counts(self) -> Counts:
        """What was done so far."""
        return self._store.counts

    def serve(self, request: Request) -> int:
        """Go on from the deepest checkpoint, keep the end."""
        start = self._store.find(request.path)
        n_start = 0
        if start is not None:
            n_start = start.n_tokens
            self._store.restore(start, request.at_s)
        for position in self._positions(n_start, len(request.path)):
            self._store.take(request.path[:position], Origin.PROMPT_END, request.at_s)
        while self._store.is_over:
            self._store.drop(next(iter(self._store.kept)))
        self._store.note_peak()
        return n_start

    def _positions(self, n_start: int, n_prompt: int) -> list[int]:
        """Where to take checkpoints while reading on from `n_start`, rising."""
        return [n_prompt] if n_prompt > n_start else []
