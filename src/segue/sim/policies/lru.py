"""`lru`: takes a checkpoint at each prompt's end, and drops the least recently used one."""

from segue.prefix.checkpoint import Checkpoint, Origin
from segue.sim.policy import Counts
from segue.sim.request import TraceRequest
from segue.sim.store import Store


class Lru:
    """The simplest rule: that of most prefix caches, with one state a request."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def counts(self) -> Counts:
        """The work so far."""
        return self._store.counts

    def serve(self, request: TraceRequest) -> int:
        """Go on from the deepest checkpoint, take others behind it, let some go."""
        n_known = self._store.tree.match(request.path).n_known
        start = self._start(request)
        n_start = 0
        if start is not None:
            n_start = start.n_tokens
            self._store.restore(start, request.at_s)
        whole = request.whole
        for position in self._positions(request, n_start, n_known):
            self._store.take(whole[:position], Origin.PROMPT_END, request.at_s)
        while self._store.is_over:
            self._store.drop(self._victim(request.at_s))
        self._store.record_peak()
        return n_start

    def _start(self, request: TraceRequest) -> Checkpoint | None:
        """The checkpoint to go on from."""
        return self._store.find(request.path)

    def _positions(self, request: TraceRequest, n_start: int, n_known: int) -> list[int]:
        """The positions of checkpoints, ascending. Reading starts at `n_start`; the prompt is known up to `n_known`."""
        del n_start, n_known
        return [len(request.path)]

    def _victim(self, now: float) -> Checkpoint:
        """The next checkpoint to drop."""
        del now
        return next(iter(self._store.kept))
