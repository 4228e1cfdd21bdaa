import math
from collections.abc import Iterable

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from segue.policy.retention import Retention
from segue.prefix.branch import Tokens
from segue.prefix.checkpoint import Checkpoint, Origin
from segue.prefix.lineage import branch_of, tokens_of
from segue.prefix.tree import Tree
from segue.prefix.visit import Visit
from tests.prefix.naive import checkpoint, tokens

NOW = 1000.0


def reach(retention: Retention, tree: Tree, path: Tokens, now: float, origin: Origin = Origin.PROMPT_END) -> Checkpoint:
    """A request for `path`, read to its end and kept there."""
    visit = retention.arrive(tree.match(path), now)
    found = tree.at(path)
    if found is None:
        found = checkpoint(len(path), origin=origin)
        found.created = found.last_used = now
        tree.attach(found, path)
        retention.record_taken(origin)
    retention.reached(visit, found, now)
    return found


def talk(retention: Retention, tree: Tree, first: int, gaps_s: Iterable[float], *, back: int = 0) -> Checkpoint:
    """A conversation that grows by ten tokens a turn, each leaving the last path `back` tokens before its end."""
    now, path = 0.0, tokens((first, *range(1, 100)))
    last = reach(retention, tree, path, now)
    for turn, gap_s in enumerate(gaps_s):
        now += gap_s
        more = np.arange(1000 + 100 * turn, 1010 + 100 * turn + back, dtype=np.int32)
        path = np.concatenate((path[: len(path) - back], more))
        last = reach(retention, tree, path, now)
    return last


def test_value_grows_with_what_is_saved_and_falls_with_bytes_and_age() -> None:
    retention, (_, (found,)) = Retention(), conversation(100)
    base = retention.value(found, 100, 1000, NOW)
    assert retention.value(found, 200, 1000, NOW) == pytest.approx(2 * base)
    assert retention.value(found, 100, 500, NOW) == pytest.approx(2 * base)
    assert retention.value(found, 100, 1000, NOW + 1000) < base


def test_what_a_path_passed_is_worth_little_unless_conversations_rewind() -> None:
    ahead, rewinding = Retention(), Retention()
    for retention, back in ((ahead, 0), (rewinding, 6)):
        for first in range(40):
            talk(retention, Tree(), first, [10.0] * 5, back=back)
    for retention, least, most in ((ahead, 0.0, 0.1), (rewinding, 0.6, 1.1)):
        _, (passed, last) = conversation(90, 100)
        for found in (passed, last):
            found.last_used = found.created = 0.0
        share = retention.rate(passed, 100, 1.0) / retention.rate(passed, None, 1.0)
        assert least <= share <= most
        assert retention.rate(last, None, 1.0) > 0


def test_a_conversation_in_a_loop_outranks_one_that_waits_for_a_person() -> None:
    retention = Retention()
    for first in range(50):
        talk(retention, Tree(), first, [5.0] * 8)
        talk(retention, Tree(), first, [400.0] * 8)
    loop = talk(retention, Tree(), 1, [5.0] * 5)
    person = talk(retention, Tree(), 1, [400.0] * 5)
    assert retention.rate(loop, None, loop.created + 2) > 5 * retention.rate(person, None, person.created + 2)
    # Once the loop has been silent for long it is over, while the person may still come.
    assert retention.rate(loop, None, loop.created + 300) < retention.rate(person, None, person.created + 300)


def test_a_conversation_whose_states_went_is_known_when_it_returns() -> None:
    retention, tree = Retention(), Tree()
    gone = talk(retention, tree, 1, [10.0] * 4)
    path = tokens_of(gone)
    for found in list(tree.checkpoints()):
        tree.detach(found)
    visit = retention.arrive(tree.match(np.append(path, np.int32(9))), 60.0)
    assert (visit.n_turns, visit.continues) == (5, True)


def test_what_ends_within_a_branch_leaves_its_conversation_alone() -> None:
    retention, tree = Retention(), Tree()
    last = talk(retention, tree, 1, [10.0] * 4)
    reach(retention, tree, tokens_of(last)[:60], 1000.0)
    assert retention.arrive(tree.match(tokens_of(last)), 1000.0).before is branch_of(last).visit
    visit = branch_of(last).visit
    assert visit is not None
    assert visit.n_tokens == last.n_tokens


def test_origins_are_ranked_by_how_likely_others_start_there_and_learned() -> None:
    retention = Retention()
    values = []
    for origin in (Origin.VOLATILE, Origin.FORK, Origin.MESSAGE_END, Origin.PROMPT_END, Origin.STRIDE):
        _, (found,) = conversation(100)
        found.origin = origin
        values.append(retention.rate(found, 100, NOW))
    assert values == sorted(values, reverse=True)
    for _ in range(200):
        retention.record_taken(Origin.FORK)
        retention.record_taken(Origin.STRIDE)
        _, (found,) = conversation(100)
        found.origin = Origin.STRIDE
        retention.record_hit(found, Visit(arrived=0.0, n_known=100, before=None, ended=0.0, n_tokens=100))
    _, (stride,) = conversation(100)
    _, (fork,) = conversation(100)
    stride.origin, fork.origin = Origin.STRIDE, Origin.FORK
    assert retention.rate(stride, 100, NOW) > 10 * retention.rate(fork, 100, NOW)


def test_only_other_conversations_count_as_forks() -> None:
    retention, (_, (found,)) = Retention(), conversation(100)
    for continues in (True, True, False):
        retention.record_hit(
            found, Visit(arrived=0.0, n_known=100, before=None, ended=0.0, n_tokens=100, continues=continues)
        )
    assert found.n_forks == 1


@given(
    n_next=st.none() | st.integers(51, 100),
    idle_s=st.floats(-1, 1e6),
    n_forks=st.integers(0, 9),
    origin=st.sampled_from(list(Origin)),
)
def test_rates_are_finite_and_never_negative(n_next: int | None, idle_s: float, n_forks: int, origin: Origin) -> None:
    retention, (_, (found, _)) = Retention(), conversation(50, 100)
    found.origin, found.n_forks = origin, n_forks
    assert 0 <= retention.rate(found, n_next, found.last_used + idle_s) < math.inf


def conversation(*ends: int, tail: int = 0) -> tuple[Tree, list[Checkpoint]]:
    """Checkpoints at `ends` of one path, which ends in the token `tail`."""
    tree = Tree()
    path = tokens((*range(1, max(ends)), tail))
    checkpoints = [checkpoint(n) for n in ends]
    for found in checkpoints:
        tree.attach(found, path[: found.n_tokens])
    return tree, checkpoints


def test_the_victim_is_the_least_valuable() -> None:
    tree, (early, passed, last) = conversation(50, 55, 200)
    retention = Retention()
    assert retention.victim(tree.checkpoints(), NOW, lambda _: 10) is passed
    # Whatever frees nothing is no victim, and a large one frees more than a small one.
    assert retention.victim(tree.checkpoints(), NOW, lambda c: 0 if c is passed else 10) is early
    assert retention.victim(tree.checkpoints(), NOW, lambda c: 1_000_000 if c is last else 1) is last
    assert retention.victim(tree.checkpoints(), NOW, lambda _: 0) is None
    assert retention.victim([], NOW, lambda _: 10) is None


def test_ranked_is_the_order_in_which_they_would_fall_victim() -> None:
    tree, checkpoints = conversation(50, 55, 60, 120, 200)
    other = checkpoint(150)
    tree.attach(other, tokens((*range(1, 61), *range(500, 590))))
    retention = Retention()
    ranked = retention.ranked(tree.checkpoints(), NOW, lambda c: (c.n_tokens - 50) ** 2)
    assert set(ranked) == {*checkpoints[1:], other}
    assert retention.ranked(tree.checkpoints(), NOW, lambda c: (c.n_tokens - 50) ** 2, 3) == ranked[:2]
    assert retention.ranked(tree.checkpoints(), NOW, lambda _: 0, 3) == []
    while ranked:
        victim = retention.victim(tree.checkpoints(), NOW, lambda c: (c.n_tokens - 50) ** 2)
        assert victim is ranked.pop(0)
        tree.detach(victim)


def test_of_two_that_stand_close_one_stays() -> None:
    tree, (near, end) = conversation(199, 200)
    other = checkpoint(100)
    tree.attach(other, tokens(range(1000, 1100)))  # type: ignore[arg-type]
    retention = Retention()
    ranked = retention.ranked(tree.checkpoints(), NOW, lambda _: 10)
    assert ranked[1] is other
    assert {ranked[0], ranked[2]} == {near, end}


def test_pinned_ones_go_last_and_the_oldest_of_them_first() -> None:
    tree, (early, middle, last) = conversation(50, 55, 200)
    retention = Retention()
    middle.pinned = True
    assert retention.value(middle, 5, 10, NOW) == math.inf
    assert retention.victim(tree.checkpoints(), NOW, lambda _: 10) is early
    early.pinned = last.pinned = True
    early.last_used, middle.last_used, last.last_used = 3.0, 2.0, 1.0
    assert retention.ranked(tree.checkpoints(), NOW, lambda _: 10) == [last, middle, early]


def test_a_clients_pin_ends() -> None:
    tree, (early, middle, _) = conversation(50, 55, 200)
    retention = Retention()
    middle.pinned_until = NOW + 1
    assert retention.victim(tree.checkpoints(), NOW, lambda _: 10) is early
    assert retention.victim(tree.checkpoints(), NOW + 1, lambda _: 10) is middle


def test_where_other_conversations_start_is_kept_longer_than_what_one_path_passed() -> None:
    _, (shared, passed, _) = conversation(50, 100, 200)
    retention = Retention()
    assert retention.victim([shared, passed], NOW, lambda c: 90 if c is shared else 10) is shared
    for _ in range(3):
        retention.record_hit(shared, Visit(arrived=0.0, n_known=50, before=None, ended=0.0, n_tokens=50))
    assert retention.victim([shared, passed], NOW, lambda c: 90 if c is shared else 10) is passed
