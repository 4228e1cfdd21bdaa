"""`clairvoyant`."""

from segue.sim.policies.clairvoyant import Clairvoyant
from segue.sim.policy import Policy
from segue.sim.request import TraceRequest
from tests.sim.making import join, request, span, store

A, B, C = (span(100, 1000 * i) for i in range(3))


def hits(policy: Policy, requests: list[TraceRequest]) -> list[int]:
    return [policy.serve(found) for found in requests]


def test_it_keeps_what_will_be_needed_where_it_will_be() -> None:
    requests = [request(A, 0), request(join(A[:37], B), 1), request(C, 2), request(join(A[:37], B, C), 3)]
    policy = Clairvoyant(store(), requests)
    assert hits(policy, requests) == [0, 37, 0, 137]
    assert policy.counts.n_taken == 2


def test_without_room_for_all_it_keeps_what_is_needed_next() -> None:
    order = [A, B, C, C, B, A]
    requests = [request(path, i) for i, path in enumerate(order)]
    assert hits(Clairvoyant(store(1), requests), requests) == [0, 0, 0, 100, 0, 0]
    assert hits(Clairvoyant(store(2), requests), requests) == [0, 0, 0, 100, 100, 0]


def test_it_keeps_what_saves_more() -> None:
    requests = [request(A, 0), request(B[:3], 1), request(B[:3], 9), request(A, 10)]
    assert hits(Clairvoyant(store(1), requests), requests) == [0, 0, 0, 100]
