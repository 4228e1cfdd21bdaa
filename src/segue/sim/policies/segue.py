"""`segue`: the server's own tree, checkpoint positions and retention."""

from segue.policy.checkpoint_positions import Position, checkpoint_positions, n_positions_most
from segue.policy.prices import Prices
from segue.policy.prompt_marks import PromptMarks
from segue.policy.retention import Retention
from segue.policy.victims import Victims
from segue.prefix.branch import Tokens
from segue.prefix.checkpoint import Checkpoint, Origin
from segue.prefix.lineage import n_saved
from segue.prefix.visit import Visit
from segue.sim.policy import Counts
from segue.sim.request import TraceRequest
from segue.sim.store import Store

_N_MIN_STRIDE_TOKENS = 64


class Segue:
    """The rule of `segue serve` for a hybrid model with one tier, the host: the least valuable checkpoint goes.

    Without `prices`, a checkpoint costs as much as eight tokens, which the server takes for granted until it has
    measured, and copies cost nothing.
    """

    def __init__(self, store: Store, retention: Retention, prices: Prices | None = None) -> None:
        self._store = store
        self._retention = retention
        self._prices = prices or Prices()
        self._victims = Victims()
        self._n_min_stride = max(1, _N_MIN_STRIDE_TOKENS // store.n_block_tokens)
        self._checkpoint_cost = self._prices.checkpoint_tokens(store.n_bytes_state) / store.n_block_tokens
        self._n_most = n_positions_most(store.n_fit)

    @property
    def counts(self) -> Counts:
        """The work so far."""
        return self._store.counts

    def serve(self, request: TraceRequest) -> int:
        """Go on from the deepest checkpoint, take one at each position."""
        store, path, now = self._store, request.path, request.at_s
        match = store.tree.match(path)
        start = self._start(path)
        n_start = start.n_tokens if start is not None else 0
        visit = self._retention.arrive(match, now)
        if start is not None:
            store.restore(start, now)
            self._retention.record_hit(start, visit)
            if n_start == len(path):
                self._retention.reached(visit, start, now)
        visit.divergences = visit.divergences.then(match.n_known, request.message_ends)
        expected = visit.divergences.expected(request.message_ends)
        for position, origin in self._positions(request, n_start, match.n_known, expected):
            self._take(path[:position], origin, now, visit)
        if len(request.reply):
            self._take(request.whole, Origin.REPLY_END, now, visit)
        store.record_peak()
        return n_start

    def _start(self, path: Tokens) -> Checkpoint | None:
        """The deepest checkpoint, if loading it is faster than reading its tokens."""
        store = self._store
        start = store.find(path)
        if start is None:
            return None
        n_bytes = store.n_bytes_state + start.n_tokens * store.n_bytes_block
        return start if self._prices.is_worth_loading(n_bytes, start.n_tokens * store.n_block_tokens) else None

    def _positions(
        self, request: TraceRequest, n_start: int, n_known: int, expected: tuple[int, ...]
    ) -> tuple[Position, ...]:
        n_prompt = len(request.path)
        if n_start == n_prompt:
            return ()
        return checkpoint_positions(
            PromptMarks(message_ends=request.message_ends),
            n_start,
            n_prompt,
            fork=n_known if n_start < n_known < n_prompt else None,
            expected=expected,
            checkpoint_cost_tokens=self._checkpoint_cost,
            n_min_stride=self._n_min_stride,
            n_most=self._n_most,
        )

    def _take(self, path: Tokens, origin: Origin, now: float, visit: Visit) -> None:
        store = self._store
        taken = store.take(path, origin, now)
        existing = taken or store.tree.at(path)
        if existing is not None:
            self._retention.reached(visit, existing, now)
        if taken is None:
            return
        if not self._is_worth_it(taken):
            store.withdraw(taken)
            return
        while store.is_over:
            victim = self._victims.next(lambda n: self._ranked(taken, now, n), now, lambda victim: victim is not taken)
            store.drop(victim or taken)
            if victim is None:
                return
        self._retention.record_taken(origin)

    def _is_worth_it(self, taken: Checkpoint) -> bool:
        n_bytes, n_tokens = self._store.n_bytes_state, n_saved(taken) * self._store.n_block_tokens
        return not self._prices.is_slow(n_bytes) or self._prices.is_worth_copying(n_bytes, n_tokens)

    def _ranked(self, taken: Checkpoint, now: float, n_shares: int) -> list[Checkpoint]:
        others = (checkpoint for checkpoint in self._store.tree.checkpoints() if checkpoint is not taken)
        return self._retention.ranked(others, now, self._store.freed, n_shares)
