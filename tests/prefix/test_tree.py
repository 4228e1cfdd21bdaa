from itertools import pairwise
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from segue.prefix import lineage
from segue.prefix.branch import Branch
from segue.prefix.loss import Loss
from segue.prefix.match import Match, damaged_upto, deepest, evicted_upto, reaching
from segue.prefix.tree import Tree
from tests.prefix.naive import NaiveTree, Path, checkpoint, shared, tokens

TAILS = st.lists(st.integers(0, 2), max_size=8).map(tuple)


def known_and_lost(tree: Tree) -> tuple[set[Path], set[Path], set[Path]]:
    """Every prefix that the tree knows, and those of them where an evicted checkpoint stood, and a damaged one."""
    paths: dict[Branch, Path] = {}
    for branch in tree.branches():
        above = paths[branch.parent][: branch.start] if branch.parent else ()
        paths[branch] = (*above, *branch.tokens.tolist())
    known = {path[:n] for path in paths.values() for n in range(len(path) + 1)}
    evicted = {path[:n] for branch, path in paths.items() for n in branch.evicted}
    return known, evicted, {path[:n] for branch, path in paths.items() for n in branch.damaged}


def assert_leads_down(match: Match) -> None:
    """The branches of a match join, from the root to its end."""
    for (branch, end), (child, _) in pairwise(match.branches):
        assert child.parent is branch
        assert child.start == end
    assert match.branches[0][0].parent is None
    assert match.branches[-1][1] == match.n_known


class TreeMachine(RuleBasedStateMachine):
    """Whatever is done to the tree, it answers as the naive one does."""

    def __init__(self) -> None:
        super().__init__()
        self.tree = Tree()
        self.naive = NaiveTree()

    def path(self, data: st.DataObject, tail: Path) -> Path:
        """Some path that shares a part with what is known."""
        known = data.draw(st.sampled_from(sorted(self.naive.known)))
        return known + tail

    @rule(data=st.data(), tail=TAILS)
    def insert(self, data: st.DataObject, tail: Path) -> None:
        path = self.path(data, tail)
        self.tree.insert(tokens(path))
        self.naive.insert(path)

    @rule(data=st.data(), tail=TAILS, n_held=st.integers(1, 20))
    def attach(self, data: st.DataObject, tail: Path, n_held: int) -> None:
        path = self.path(data, tail)
        added = checkpoint(len(path), pos_min=max(0, len(path) - n_held))
        if path and path not in self.naive.checkpoints:
            self.tree.attach(added, tokens(path))
            self.naive.attach(added, path)
        else:
            with pytest.raises(ValueError, match="checkpoint"):
                self.tree.attach(added, tokens(path))

    @precondition(lambda self: self.naive.checkpoints)
    @rule(data=st.data(), loss=st.sampled_from((None, *Loss)))
    def detach(self, data: st.DataObject, loss: Loss | None) -> None:
        path = data.draw(st.sampled_from(sorted(self.naive.checkpoints)))
        self.tree.detach(self.naive.checkpoints[path], loss=loss)
        self.naive.detach(path, loss=loss)

    @rule(data=st.data(), tail=TAILS)
    def mark_damaged(self, data: st.DataObject, tail: Path) -> None:
        path = self.path(data, tail)
        self.tree.mark_damaged(tokens(path))
        self.naive.mark_damaged(path)

    @rule(max_tokens=st.integers(0, 40))
    def trim(self, max_tokens: int) -> None:
        n_before = self.tree.n_tokens
        self.tree.trim(max_tokens)
        kept, *_ = known_and_lost(self.tree)
        assert kept <= self.naive.known
        needed = {path[:n] for path in self.naive.checkpoints for n in range(len(path) + 1)}
        assert needed <= kept
        # Forks need no token of their own: only what leads to checkpoints may stay over the bound.
        assert self.tree.n_tokens == max(min(n_before, max_tokens), len(needed | {()}) - 1)
        self.naive.known = kept
        self.naive.evicted &= kept
        self.naive.damaged &= kept

    @rule(data=st.data(), tail=TAILS, limit=st.integers(0, 24), n_beyond=st.integers(0, 24))
    def ask(self, data: st.DataObject, tail: Path, limit: int, n_beyond: int) -> None:
        path = self.path(data, tail)
        match = self.tree.match(tokens(path))
        assert self.tree.is_current(match)
        assert match.n_known == self.naive.n_known(path)
        assert_leads_down(match)
        assert self.tree.at(tokens(path)) is self.naive.checkpoints.get(path)
        assert list(deepest(match, limit)) == self.naive.deepest(path, limit)
        found = list(reaching(match, limit, n_beyond))
        assert len(found) == len(set(found))
        assert set(found) == self.naive.reaching(path, limit, n_beyond)
        assert all(a[0] >= b[0] for a, b in pairwise(found))
        for lost_upto, lost in ((evicted_upto, self.naive.evicted), (damaged_upto, self.naive.damaged)):
            exact = max((len(p) for p in lost if p == path[: len(p)]), default=0)
            assert lost_upto(match, rewinds=False) == exact
            reached = lost_upto(match, rewinds=True)
            assert reached >= exact
            assert reached == 0 or any(shared(p, path) >= reached for p in lost)

    @precondition(lambda self: self.naive.checkpoints)
    @rule(data=st.data())
    def ask_lineage(self, data: st.DataObject) -> None:
        paths = sorted(self.naive.checkpoints)
        path, other = data.draw(st.sampled_from(paths)), data.draw(st.sampled_from(paths))
        a, b = self.naive.checkpoints[path], self.naive.checkpoints[other]
        assert tuple(lineage.tokens_of(a)) == path
        assert lineage.is_prefix(a, b) == (other[: len(path)] == path)
        assert lineage.common(a, b) == shared(path, other)
        assert list(lineage.ancestors(a)) == self.naive.ancestors(path)
        assert lineage.nearest_ancestor(a) is next(iter(self.naive.ancestors(path)), None)
        below = list(lineage.descendants(a))
        assert len(below) == len(set(below))
        assert set(below) == self.naive.descendants(path)
        assert lineage.is_consumed(a) == self.naive.is_consumed(path)

    @invariant()
    def agrees(self) -> None:
        self.tree.check_integrity()
        assert known_and_lost(self.tree) == (self.naive.known, self.naive.evicted, self.naive.damaged)
        assert self.tree.n_tokens == len(self.naive.known) - 1
        assert len(self.tree) == len(self.naive.checkpoints)
        assert set(self.tree.checkpoints()) == set(self.naive.checkpoints.values())


TreeMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
test_tree_agrees_with_the_naive_one: Any = TreeMachine.TestCase


def depth(tree: Tree, path: Path) -> int:
    return len(tree.match(tokens(path)).branches)


@pytest.mark.parametrize("n_reply", [3, 50, 900])
def test_a_conversation_whose_turns_fork_stays_one_trunk(n_reply: int) -> None:
    """Each turn drops the reply as it was generated, and goes on with how the template renders it."""
    rng = np.random.default_rng(n_reply)
    tree = Tree()
    history: Path = (7, 7, 7)
    for _ in range(100):
        history += tuple(rng.integers(0, 1000, 20).tolist())
        generated = tuple(rng.integers(0, 1000, 1 + int(rng.integers(n_reply))).tolist())
        tree.insert(tokens(history))
        tree.insert(tokens((*history, 1000, *generated)))
        tree.check_integrity()
    assert depth(tree, history) <= 8


def test_two_conversations_that_grow_in_turns_do_not_restructure_each_time() -> None:
    tree = Tree()
    shared_part = tuple(range(1000))
    growing: list[Path] = [(*shared_part, 1, *range(1000)), (*shared_part, 2, *range(1050))]
    n_restructured = 0
    for turn in range(200):
        match = tree.match(tokens(growing[turn % 2]))
        growing[turn % 2] += tuple(range(100))
        tree.insert(tokens(growing[turn % 2]))
        n_restructured += not tree.is_current(match)
    assert n_restructured <= 8


def test_a_match_is_current_until_the_tree_is_restructured() -> None:
    tree = Tree()
    tree.insert(tokens((1, 1, 1)))
    match = tree.match(tokens((1, 1, 1)))
    kept = checkpoint(2)
    tree.attach(kept, tokens((1, 1)))
    tree.detach(kept)
    assert tree.is_current(match)
    tree.insert(tokens((1, 1, 2, 2, 2)))
    assert not tree.is_current(match)
    match = tree.match(tokens((1, 1, 1)))
    tree.trim(4)
    assert not tree.is_current(match)


def test_trim_forgets_the_least_recently_used_tail_first() -> None:
    tree = Tree()
    old, young, kept = (1, 1, 1, 1), (1, 2, 2, 2), (3, 3, 3)
    tree.insert(tokens(old))
    tree.attach(checkpoint(3), tokens(kept))
    tree.insert(tokens(young))
    tree.insert(tokens(old))
    tree.trim(8)
    assert [tree.match(tokens(path)).n_known for path in (old, young, kept)] == [4, 2, 3]
    tree.trim(0)
    assert [tree.match(tokens(path)).n_known for path in (old, young, kept)] == [0, 0, 3]
    tree.check_integrity()


def test_a_path_keeps_its_age_when_it_becomes_the_trunk() -> None:
    tree = Tree()
    trunk, child, young = (1, 1, 1, 1, 1), (1, 1, 2, 2), (3, 3)
    for path in (trunk, child, young, trunk, young, child):
        tree.insert(tokens(path))
    tree.trim(6)
    assert [tree.match(tokens(path)).n_known for path in (trunk, child, young)] == [2, 4, 2]
    tree.trim(4)
    assert [tree.match(tokens(path)).n_known for path in (trunk, child, young)] == [2, 4, 0]


def test_a_checkpoint_is_consumed_once_all_that_goes_on_passes_another() -> None:
    tree = Tree()
    tree.insert(tokens((1, 1, 9, 9, 9, 9, 9, 9)))
    first = checkpoint(2)
    tree.attach(first, tokens((1, 1)))
    assert not lineage.is_consumed(first)
    for path in ((1, 1, 2, 2, 3, 3), (1, 1, 2, 2, 4)):
        tree.attach(checkpoint(len(path)), tokens(path))
    assert not lineage.is_consumed(first)
    tree.attach(checkpoint(4), tokens((1, 1, 2, 2)))
    assert lineage.is_consumed(first)
    tree.attach(checkpoint(8), tokens((1, 1, 9, 9, 9, 9, 9, 9)))
    assert not lineage.is_consumed(first)


def test_the_tree_keeps_no_reference_to_the_callers_tokens() -> None:
    tree = Tree()
    path = tokens((1, 2, 3))
    tree.insert(path)
    path[:] = 9
    assert tree.match(tokens((1, 2, 3))).n_known == 3


def test_a_checkpoint_cannot_stand_where_another_one_or_no_path_does() -> None:
    tree = Tree()
    path = tokens((1, 2))
    first = checkpoint(2)
    tree.attach(first, path)
    for wrong, where in ((checkpoint(2), path), (first, path), (checkpoint(3), path), (checkpoint(0), path[:0])):
        with pytest.raises(ValueError, match="checkpoint"):
            tree.attach(wrong, where)
    tree.detach(first)
    with pytest.raises(ValueError, match="not attached"):
        tree.detach(first)
    tree.attach(first, path)
