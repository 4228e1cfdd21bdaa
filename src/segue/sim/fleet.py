"""Many replicas that serve one load, to measure the value of routing and of a shared tier."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from segue.policy.retention import Retention
from segue.prefix.branch import Tokens
from segue.prefix.checkpoint import Checkpoint, Origin
from segue.sim.capacity import Capacity
from segue.sim.cost import Cost
from segue.sim.load import Load
from segue.sim.policies.segue import Segue
from segue.sim.request import TraceRequest
from segue.sim.routing import Key, PrefixIndex, Router, Routing, keys
from segue.sim.store import Store

_WARM_SHARE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Fleet:
    """Replicas, each with users and with room for checkpoints of its own.

    With `shared_bytes_per_s` there is a shared tier that has every checkpoint ever taken.
    """

    n_replicas: int
    users_per_replica: float
    routing: Routing
    capacity: Capacity
    shared_bytes_per_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetResult:
    """The results of a fleet in the second half of the time.

    `of_oracle` is the share of the hits that unlimited attention caching of the whole fleet would give. `busy` is the
    share of the time in which a replica read or restored, as the mean and for the busiest. Times to the first token
    include waiting for the replica.
    """

    requests: int
    of_oracle: float
    from_shared: float
    busy: float
    busy_most: float
    ttft_p50_s: float
    ttft_p95_s: float


class _IndexedStore(Store):
    """A replica's checkpoints, which it reports to an index."""

    def __init__(self, fleet: Fleet, cost: Cost, n_block: int, index: PrefixIndex, replica: int) -> None:
        super().__init__(fleet.capacity, cost.model, n_block)
        self._index = index
        self._replica = replica
        self._keys: dict[Checkpoint, Key] = {}

    def take(self, path: Tokens, origin: Origin, now: float) -> Checkpoint | None:
        taken = super().take(path, origin, now)
        if taken is not None:
            self._keys[taken] = hash(path.tobytes())
            self._index.add(self._keys[taken], self._replica)
        return taken

    def drop(self, checkpoint: Checkpoint) -> None:
        super().drop(checkpoint)
        self._index.remove(self._keys.pop(checkpoint), self._replica)
        # Paths without checkpoints are forgotten: memory could not hold those of thousands of replicas.
        self.tree.trim(2 * self._n_cells)


@dataclass(frozen=True, slots=True)
class _Served:
    n_hit: int
    is_shared: bool
    seconds: float


class _Replica:
    def __init__(self, fleet: Fleet, cost: Cost, n_block: int, index: PrefixIndex, number: int) -> None:
        self._store = _IndexedStore(fleet, cost, n_block, index, number)
        self._policy = Segue(self._store, Retention())
        self._cost = cost
        self._n_block = n_block
        self._index = index
        self._shared_bytes_per_s = fleet.shared_bytes_per_s

    def serve(self, request: TraceRequest) -> _Served:
        """Read a prompt, from its own checkpoint or one of the shared tier, whichever is sooner."""
        own = self._store.find(request.path)
        n_own = own.n_tokens if own is not None else 0
        own_s = self._cost.first_token_s(request.n_prompt_tokens, n_own * self._n_block)
        if self._shared_bytes_per_s is not None:
            n = next((n for n, key in keys(request.path) if key in self._index.ever), 0)
            model = self._cost.model
            n_bytes = model.n_bytes_state + (n - n_own) * self._n_block * model.n_bytes_cell
            shared_s = n_bytes / self._shared_bytes_per_s
            shared_s += self._cost.first_token_s(request.n_prompt_tokens, n * self._n_block)
            if n > n_own and shared_s < own_s:
                self._store.take(request.path[:n], Origin.PROMPT_END, request.at_s)
                return _Served(self._policy.serve(request), True, shared_s)
        return _Served(self._policy.serve(request), False, own_s)


def simulate(fleet: Fleet, load: Load, cost: Cost, seconds: float, seed: int) -> FleetResult:
    """Let a fleet serve the load of its users for so many seconds.

    A replica reads one prompt after the other. Generation takes no time here, and neither does the prompt that a user
    starts with, which was read before.
    """
    index, n_block = PrefixIndex(), load.n_block_tokens
    free_at = np.zeros(fleet.n_replicas)
    busy = np.zeros(fleet.n_replicas)
    router = Router(fleet.routing, index, cost, free_at, n_block)
    replicas: dict[int, _Replica] = {}
    seen: set[Key] = set()
    begun_with: set[int] = set()
    n_oracle = n_hit = n_shared = 0
    waits = []
    warm_s = _WARM_SHARE * seconds
    n_users = max(1, round(fleet.n_replicas * fleet.users_per_replica))
    for request in load.requests(n_users, seconds, seed):
        known = list(keys(request.path))
        n_known = next((n for n, key in known if key in seen), 0)
        seen.update(key for n, key in known if n > n_known)
        number = router.choose(request)
        if number not in replicas:
            replicas[number] = _Replica(fleet, cost, n_block, index, number)
        served = replicas[number].serve(request)
        if request.conversation < n_users and request.conversation not in begun_with:
            begun_with.add(request.conversation)
            continue
        begun = max(request.at_s, free_at[number])
        free_at[number] = begun + served.seconds
        if request.at_s >= warm_s:
            n_oracle += n_known
            n_hit += served.n_hit
            n_shared += served.n_hit * served.is_shared
            busy[number] += served.seconds
            waits.append(free_at[number] - request.at_s)
    p50, p95 = np.percentile(waits, (50, 95)) if waits else (0.0, 0.0)
    span_s = seconds - warm_s
    return FleetResult(
        requests=len(waits),
        of_oracle=n_hit / n_oracle if n_oracle else 1.0,
        from_shared=n_shared / n_hit if n_hit else 0.0,
        busy=float(busy.mean() / span_s),
        busy_most=float(busy.max() / span_s),
        ttft_p50_s=float(p50),
        ttft_p95_s=float(p95),
    )
