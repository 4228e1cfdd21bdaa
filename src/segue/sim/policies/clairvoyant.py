"""`clairvoyant`: knows all future requests, and shows the most that a rule without foresight can hope for."""

from bisect import bisect_right
from collections.abc import Sequence
from heapq import nsmallest

from segue.policy.victims import Victims, n_in_share
from segue.prefix.checkpoint import Checkpoint, Origin
from segue.prefix.lineage import ancestors
from segue.prefix.match import deepest
from segue.prefix.tree import Tree
from segue.sim.policy import Counts
from segue.sim.request import TraceRequest
from segue.sim.store import Store

# Checkpoints that are ranked together go together, though a newer one may be worth less.
_N_SHARES = 256


class Clairvoyant:
    """Takes checkpoints exactly where a later prompt leaves the known paths, and gives up the one that saves least per
    byte and second of waiting for its next use.

    After Belady's rule (IBM Systems Journal 5(2), 1966), weighted because states save unequal amounts. With weights it
    is no longer proven the best, so it is a mark to measure against and no bound.
    """

    def __init__(self, store: Store, requests: Sequence[TraceRequest]) -> None:
        self._store = store
        self._victims = Victims(_N_SHARES)
        self._i = -1
        self._times = [request.at_s for request in requests]
        self._needs = Tree()
        self._uses: dict[Checkpoint, list[int]] = {}
        self._need_of: dict[Checkpoint, Checkpoint] = {}
        known = Tree()
        for i, request in enumerate(requests):
            n_known = known.match(request.path).n_known
            known.insert(request.whole)
            if n_known:
                need = self._needs.at(request.path[:n_known])
                if need is None:
                    need = Checkpoint(
                        n_tokens=n_known, pos_min=0, pos_max=n_known - 1, origin=Origin.FORK, created=0.0, last_used=0.0
                    )
                    self._needs.attach(need, request.path[:n_known])
                    self._uses[need] = []
                self._uses[need].append(i)

    @property
    def counts(self) -> Counts:
        """The work so far."""
        return self._store.counts

    def serve(self, request: TraceRequest) -> int:
        """Start from the deepest checkpoint, and keep those that will be needed."""
        self._i += 1
        store, path = self._store, request.path
        start = store.find(path)
        n_start = start.n_tokens if start is not None else 0
        if start is not None:
            store.restore(start, request.at_s)
        whole = request.whole
        for need in deepest(self._needs.match(whole), len(whole)):
            if need.n_tokens <= n_start:
                break
            if self._next_use(need) is not None:
                taken = store.take(whole[: need.n_tokens], Origin.FORK, request.at_s)
                if taken is not None:
                    self._need_of[taken] = need
        while store.is_over:
            victim = self._victims.next(lambda n: self._ranked(request.at_s, n), request.at_s, lambda _: True)
            assert victim is not None, "something is kept"
            store.drop(victim)
            del self._need_of[victim]
        store.record_peak()
        return n_start

    def _ranked(self, now: float, n_shares: int) -> list[Checkpoint]:
        n = n_in_share(len(self._store.kept), n_shares)
        return nsmallest(n, self._store.kept, key=lambda checkpoint: self._worth(checkpoint, now))

    def _next_use(self, need: Checkpoint) -> int | None:
        uses = self._uses[need]
        i = bisect_right(uses, self._i)
        return uses[i] if i < len(uses) else None

    def _worth(self, checkpoint: Checkpoint, now: float) -> float:
        """Blocks that the next use saves over the nearest kept ancestor, per unit of room and second until then."""
        use = self._next_use(self._need_of[checkpoint])
        if use is None:
            return 0.0
        above = next(ancestors(checkpoint), None)
        n_saved = checkpoint.n_tokens - (above.n_tokens if above else 0)
        wait_s = max(self._times[use] - now, 1e-3)
        return n_saved / wait_s / self._store.freed(checkpoint)
