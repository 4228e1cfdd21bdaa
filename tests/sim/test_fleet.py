"""Fleets: what each way to route is worth where that is plain."""

from dataclasses import replace

import pytest

from segue.sim.capacity import Capacity
from segue.sim.cost import Cost
from segue.sim.fleet import Fleet, FleetResult, simulate
from segue.sim.load import Load
from segue.sim.routing import Routing
from segue.sim.trace import Trace
from tests.sim.making import MODEL, request, span

# Ten conversations of forty requests, each 2,048 tokens longer than the one before.
LOAD = Load(
    Trace(
        "growing",
        2048,
        tuple(
            replace(request(span(20 + k, 1000 * number), 5.0 * k, n_block=2048), conversation=number)
            for number in range(10)
            for k in range(40)
        ),
    )
)
COST = Cost(MODEL, read_tokens_per_s=50_000.0)


def found(routing: Routing, *, n: int = 16, room: int = 16, shared: float | None = None) -> FleetResult:
    return simulate(Fleet(n, 2, routing, Capacity(room), shared), LOAD, COST, 240.0, 1)


def test_who_knows_the_conversation_hits_it() -> None:
    by = {routing: found(routing) for routing in Routing}
    assert by[Routing.ROUND_ROBIN].of_oracle < 0.6
    for routing in (Routing.SESSION, Routing.PREFIX, Routing.DEPTH):
        assert by[routing].of_oracle > 0.95
    assert by[Routing.ROUND_ROBIN].busy > 1.5 * by[Routing.DEPTH].busy
    assert by[Routing.ROUND_ROBIN].ttft_p50_s > by[Routing.DEPTH].ttft_p50_s


def test_a_single_replica_is_the_same_however_it_is_routed_to() -> None:
    alone = [found(routing, n=1) for routing in Routing]
    assert alone == [alone[0]] * len(alone)


def test_a_shared_tier_makes_up_for_bad_routing() -> None:
    shared = found(Routing.ROUND_ROBIN, shared=10e9)
    assert shared.of_oracle > 0.95
    assert shared.from_shared > 0.5
    assert found(Routing.DEPTH, shared=10e9).from_shared < shared.from_shared / 2


def test_a_shared_tier_that_is_slower_than_reading_is_not_used() -> None:
    plain, slow = found(Routing.ROUND_ROBIN), found(Routing.ROUND_ROBIN, shared=1e3)
    assert slow.from_shared == 0.0
    assert slow.of_oracle == pytest.approx(plain.of_oracle)


def test_depth_does_not_wait_where_another_is_sooner() -> None:
    by_session, by_depth = found(Routing.SESSION), found(Routing.DEPTH)
    assert by_depth.ttft_p95_s < by_session.ttft_p95_s


def test_new_users_are_spread_over_replicas_that_are_all_free() -> None:
    for routing in (Routing.PREFIX, Routing.DEPTH):
        assert found(routing).busy_most < 2 * found(routing).busy
