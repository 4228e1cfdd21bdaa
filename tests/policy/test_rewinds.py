from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import given

from segue.policy.rewinds import Rewinds


def test_before_anything_is_seen_most_go_on_at_the_end() -> None:
    rewinds = Rewinds()
    assert rewinds.beyond(-1) == 1.0
    assert rewinds.beyond(0) == pytest.approx(0.1)


def test_it_learns_where_conversations_go_on() -> None:
    rewinds = Rewinds()
    for _ in range(1000):
        rewinds.record(4)
    assert rewinds.beyond(2) > 0.95
    # Four lies in the octave of three to six.
    assert 0.3 < rewinds.beyond(4) < 0.7
    assert rewinds.beyond(6) < 0.05


def test_old_counts_fade() -> None:
    rewinds = Rewinds()
    for n in (0, 1000):
        for _ in range(20_000):
            rewinds.record(n)
    assert rewinds.beyond(400) > 0.9


@given(st.lists(st.integers(0, 1 << 40), max_size=50), st.lists(st.integers(-5, 1 << 40), min_size=2))
def test_it_is_a_falling_probability(seen: list[int], asked: list[int]) -> None:
    rewinds = Rewinds()
    for n in seen:
        rewinds.record(n)
    shares = [rewinds.beyond(n) for n in sorted(asked)]
    assert all(-1e-12 <= share <= 1 + 1e-12 for share in shares)
    assert all(a >= b - 1e-12 for a, b in pairwise(shares))
