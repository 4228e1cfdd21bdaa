"""What the trees know stays near a bound, and that costs little."""

import numpy as np

from segue.prefix.path_limit import PathLimit
from segue.prefix.tree import Tree
from tests.prefix.naive import checkpoint, tokens


def path(first: int, n: int) -> tuple[int, ...]:
    return (first, *range(n - 1))


def test_a_tree_knows_so_much_and_no_more() -> None:
    known, tree = PathLimit(1600), Tree()
    for first in range(100):
        tree.insert(tokens(path(first, 50)))
        known.trim(tree)
        assert tree.n_tokens <= 1600
        assert first < 40 or tree.n_tokens >= 1400
    assert tree.match(tokens(path(99, 50))).n_known == 50
    assert tree.match(tokens(path(0, 50))).n_known == 0


def test_little_by_little_is_not_trimmed_each_time() -> None:
    known, tree = PathLimit(16_000), Tree()
    for first in range(160):
        tree.insert(tokens(path(first, 100)))
    n_trims = 0
    for first in range(160, 260):
        tree.insert(tokens(path(first, 100)))
        n_before = tree.n_tokens
        known.trim(tree)
        n_trims += tree.n_tokens < n_before
    assert n_trims == 10


def test_what_checkpoints_need_is_not_tried_in_vain_each_time() -> None:
    known, tree = PathLimit(1600), Tree()
    for first in range(40):
        tree.attach(checkpoint(50), tokens(path(first, 50)))
    match = tree.match(tokens(path(0, 50)))
    known.trim(tree)
    assert tree.n_tokens == 2000
    assert not tree.is_current(match)
    match = tree.match(tokens(path(0, 50)))
    tree.insert(tokens(path(40, 50)))
    known.trim(tree)
    assert tree.is_current(match), "nothing was tried"
    tree.insert(tokens(path(41, 100)))
    known.trim(tree)
    assert tree.n_tokens == 2000


def test_each_tree_has_its_own_bound() -> None:
    known, trees = PathLimit(160), [Tree(), Tree()]
    for tree in trees:
        tree.insert(np.arange(300, dtype=np.int32))
        known.trim(tree)
        assert tree.n_tokens == 150
