"""`attention`."""

from segue.sim.policies.attention import Attention
from tests.sim.making import join, request, span, store


def test_it_goes_on_from_anywhere() -> None:
    policy = Attention(store(1))
    assert policy.serve(request(span(20))) == 0
    assert policy.serve(request(join(span(13), span(9, 50)), 1)) == 13
    assert policy.serve(request(span(20), 2)) == 20
    assert policy.counts.n_taken == 0
