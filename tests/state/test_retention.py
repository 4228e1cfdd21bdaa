import math

import hypothesis.strategies as st
import pytest
from hypothesis import given

from segue.state.checkpoint import Checkpoint, Origin
from segue.state.retention import Retention
from segue.state.tree import Tree
from tests.state.naive import checkpoint, tokens

NOW = 1000.0


def value(retention: Retention, found: Checkpoint, *, now: float = NOW, consumed: bool = False) -> float:
    return retention.value(found, n_saved=100, n_bytes=1000, now=now, consumed=consumed)


def test_value_grows_with_what_is_saved_and_falls_with_bytes_and_age() -> None:
    retention = Retention()
    found = checkpoint(100)
    base = retention.value(found, 100, 1000, NOW, consumed=False)
    assert retention.value(found, 200, 1000, NOW, consumed=False) == pytest.approx(2 * base)
    assert retention.value(found, 100, 500, NOW, consumed=False) == pytest.approx(2 * base)
    assert retention.value(found, 100, 1000, NOW + 1000, consumed=False) < base


def test_a_hit_raises_and_a_child_that_goes_on_lowers_the_value() -> None:
    retention = Retention()
    found = checkpoint(100)
    fresh = value(retention, found)
    assert value(retention, found, consumed=True) < fresh / 2
    found.n_hits = 3
    assert value(retention, found) > fresh


def test_origins_are_ranked_as_published_figures_rank_them() -> None:
    retention = Retention()
    ranked = (Origin.BREAKPOINT, Origin.PROMPT_END, Origin.REPLY_END, Origin.MESSAGE_END, Origin.STRIDE)
    values = [value(retention, checkpoint(100, origin=origin)) for origin in ranked]
    assert values == sorted(values, reverse=True)


def test_what_is_read_back_outranks_what_is_not_after_a_while() -> None:
    retention = Retention()
    for _ in range(200):
        retention.note_taken(Origin.STRIDE)
        retention.note_hit(Origin.STRIDE)
        retention.note_taken(Origin.PROMPT_END)
    stride, prompt_end = checkpoint(100, origin=Origin.STRIDE), checkpoint(100, origin=Origin.PROMPT_END)
    assert value(retention, stride) > 3 * value(retention, prompt_end)


@given(
    n_taken=st.integers(0, 50),
    n_hit=st.integers(0, 60),
    n_hits=st.integers(0, 9),
    idle_s=st.floats(-1, 1e6),
    origin=st.sampled_from(list(Origin)),
    consumed=st.booleans(),
)
def test_the_probability_is_one(
    n_taken: int, n_hit: int, n_hits: int, idle_s: float, origin: Origin, consumed: bool
) -> None:
    retention = Retention()
    found = checkpoint(10, origin=origin)
    found.n_hits = n_hits
    for _ in range(n_taken):
        retention.note_taken(origin)
    for _ in range(n_hit):
        retention.note_hit(origin)
    assert 0 < retention.p_reuse(found, found.last_used + idle_s, consumed=consumed) <= 1


def conversation(*ends: int, tail: int = 0) -> tuple[Tree, list[Checkpoint]]:
    """Checkpoints at `ends` of one path, which ends in the token `tail`."""
    tree = Tree()
    path = tokens((*range(1, max(ends)), tail))
    checkpoints = [checkpoint(n) for n in ends]
    for found in checkpoints:
        tree.attach(found, path[: found.n_tokens])
    return tree, checkpoints


def test_the_victim_is_the_least_valuable() -> None:
    tree, (early, consumed, last) = conversation(50, 55, 200)
    retention = Retention()
    assert retention.victim(tree.checkpoints(), NOW, lambda _: 10) is consumed
    # Whatever frees nothing is no victim, and a large one frees more than a small one.
    assert retention.victim(tree.checkpoints(), NOW, lambda c: 0 if c is consumed else 10) is early
    assert retention.victim(tree.checkpoints(), NOW, lambda c: 10_000 if c is last else 1) is last
    assert retention.victim(tree.checkpoints(), NOW, lambda _: 0) is None
    assert retention.victim([], NOW, lambda _: 10) is None


def test_ranked_is_the_order_in_which_they_would_fall_victim() -> None:
    tree, checkpoints = conversation(50, 55, 60, 120, 200)
    retention = Retention()
    ranked = retention.ranked(tree.checkpoints(), NOW, lambda c: c.n_tokens - 50)
    assert set(ranked) == set(checkpoints[1:])
    while ranked:
        assert retention.victim(ranked, NOW, lambda c: c.n_tokens - 50) is ranked.pop(0)


def test_pinned_ones_go_last_and_the_oldest_of_them_first() -> None:
    tree, (early, middle, last) = conversation(50, 55, 200)
    retention = Retention()
    middle.pinned = True
    assert value(retention, middle) == math.inf
    assert retention.victim(tree.checkpoints(), NOW, lambda _: 10) is early
    early.pinned = last.pinned = True
    early.last_used, middle.last_used, last.last_used = 3.0, 2.0, 1.0
    assert retention.victim(tree.checkpoints(), NOW, lambda _: 10) is last


def test_a_clients_pin_ends() -> None:
    tree, (early, middle, _) = conversation(50, 55, 200)
    retention = Retention()
    middle.pinned_until = NOW + 1
    assert retention.victim(tree.checkpoints(), NOW, lambda _: 10) is early
    assert retention.victim(tree.checkpoints(), NOW + 1, lambda _: 10) is middle


def test_a_point_where_paths_part_is_kept_longer_than_one_that_a_single_path_passed() -> None:
    tree, (fork, _) = conversation(100, 200)
    retention = Retention()
    alone = retention.victim([fork], NOW, lambda _: 10)
    assert alone is fork
    passed = checkpoint(90)
    tree.attach(passed, tokens(tuple(range(1, 91))))
    branch = checkpoint(150)
    tree.attach(branch, tokens((*range(1, 101), *range(500, 550))))
    # `passed` saves nine times what `fork` does, and yet everyone who comes by starts from `fork` or below.
    fork.last_used = passed.last_used
    assert retention.victim([fork, passed], NOW, lambda c: 10 if c is fork else 90) is passed
