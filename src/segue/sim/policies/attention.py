"""`attention`: the hits of a plain attention model with room for everything. No rule can beat it."""

from segue.sim.policy import Counts
from segue.sim.request import TraceRequest
from segue.sim.store import Store


class Attention:
    """The oracle: the longest common prefix with anything seen before. Knows no capacity, takes no checkpoints."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def counts(self) -> Counts:
        """The cells of all paths count as bytes."""
        return Counts(0, 0, self._store.tree.n_tokens * self._store.n_bytes_block)

    def serve(self, request: TraceRequest) -> int:
        """Start where the prompt leaves the known paths."""
        n_known = self._store.tree.match(request.path).n_known
        self._store.tree.insert(request.whole)
        return n_known
