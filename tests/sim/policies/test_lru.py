"""`lru` and `lru_grid`."""

from segue.sim.policies.lru import Lru
from segue.sim.policies.lru_grid import LruGrid
from tests.sim.making import join, request, span, store


def test_the_one_used_longest_ago_goes() -> None:
    policy = Lru(store(2))
    first, second, third = (span(10, 100 * i) for i in range(3))
    assert [policy.serve(request(path, i)) for i, path in enumerate((first, second, first, third))] == [0, 0, 10, 0]
    assert policy.serve(request(first, 4)) == 10
    assert policy.serve(request(second, 5)) == 0


def test_only_ends_are_kept() -> None:
    policy = Lru(store())
    policy.serve(request(span(20)))
    assert policy.serve(request(join(span(19), span(5, 50)), 1)) == 0
    assert policy.serve(request(join(span(20), span(5, 90)), 2)) == 20


def test_a_grid_is_laid_over_what_is_read() -> None:
    policy = LruGrid(store(n_block=4096))
    assert policy.serve(request(span(7), n_block=4096)) == 0
    assert policy.counts.n_taken == 4
    assert policy.serve(request(join(span(5), span(4, 50)), 1, n_block=4096)) == 4
    assert policy.counts.n_taken == 4 + 3
