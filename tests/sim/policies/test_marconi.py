"""`marconi`, against its paper."""

import numpy as np

from segue.sim.policies.marconi import Marconi
from segue.sim.request import TraceRequest
from tests.sim.making import MODEL, join, request, span, store


def test_two_states_at_most_where_it_branches_and_where_it_ends() -> None:
    policy = Marconi(store(), MODEL, 0.0)
    policy.serve(request(join(span(200), span(100, 1000))))
    assert policy.counts.n_taken == 1
    assert policy.serve(request(join(span(200), span(100, 2000)), 1)) == 0
    assert policy.counts.n_taken == 3
    assert policy.serve(request(join(span(200), span(100, 3000)), 2)) == 200


def test_the_reply_counts() -> None:
    policy = Marconi(store(), MODEL, 0.0)
    policy.serve(
        TraceRequest(
            conversation=0, at_s=0.0, path=span(50), n_prompt_tokens=50, n_reply_tokens=10, reply=span(10, 500)
        )
    )
    assert policy.serve(request(join(span(50), span(10, 500), span(5, 900)), 1)) == 60


def test_with_alpha_zero_it_is_lru() -> None:
    policy = Marconi(store(2), MODEL, 0.0)
    order = [span(10, 0), span(10, 100), span(10, 0), span(10, 200), span(10, 0), span(10, 100)]
    assert [policy.serve(request(path, i)) for i, path in enumerate(order)] == [0, 0, 10, 0, 10, 0]


def test_with_a_large_alpha_what_saves_most_per_byte_stays() -> None:
    long, short = span(5000), [span(10, 10_000 + 100 * i) for i in range(4)]
    for alpha, expected in ((0.0, 0), (4.0, 5000)):
        policy = Marconi(store(2), MODEL, alpha)
        for i, path in enumerate((long, *short)):
            policy.serve(request(path, i))
        assert policy.serve(request(long, 9)) == expected


def test_one_with_two_below_it_stays() -> None:
    made = store(3)
    policy = Marconi(made, MODEL, 0.0)
    for i, tail in enumerate((0, 1000, 2000)):
        policy.serve(request(join(span(50, 9000), span(100, tail)), i))
    assert 50 in {checkpoint.n_tokens for checkpoint in made.kept}


def test_alpha_is_tuned_on_what_came_since_something_had_to_go() -> None:
    policy = Marconi(store(2), MODEL)
    long = span(5000)
    order = [long, *(span(10, 10_000 + 100 * i) for i in range(3))] * 9
    n_hit = [policy.serve(request(path, i)) for i, path in enumerate(order)]
    assert not np.any(n_hit[:8])
    assert n_hit[-4] == 5000
