"""`sglang_branch`, against what SGLang tracks."""

from segue.sim.policies.sglang_branch import SglangBranch
from tests.sim.making import join, request, span, store


def test_one_position_a_pass_a_multiple_of_64() -> None:
    policy = SglangBranch(store())
    policy.serve(request(span(337)))
    assert policy.counts.n_taken == 1
    assert policy.serve(request(span(337), 1)) == 320


def test_short_of_a_chunk_nothing_is_kept() -> None:
    policy = SglangBranch(store())
    assert [policy.serve(request(span(63), i)) for i in range(2)] == [0, 0]


def test_a_branching_point_replaces_the_end_in_its_pass() -> None:
    policy = SglangBranch(store())
    policy.serve(request(join(span(200), span(137, 1000))))
    assert policy.serve(request(join(span(200), span(137, 2000)), 1)) == 0
    assert policy.serve(request(join(span(200), span(137, 3000)), 2)) == 192
    assert policy.serve(request(join(span(200), span(137, 2000)), 3)) == 192


def test_a_long_prompt_is_read_in_passes() -> None:
    policy = SglangBranch(store())
    policy.serve(request(span(20_000)))
    assert policy.counts.n_taken == 3
    assert policy.serve(request(join(span(17_000), span(9, 90_000)), 1)) == 16_384
