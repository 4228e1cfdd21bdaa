import numpy as np

from segue.engine.base import Blob
from segue.homes.coverage import Coverage, Lane
from segue.homes.link import Link
from segue.homes.residence import Residence, residence_of
from segue.state.checkpoint import Checkpoint
from segue.state.tree import Tree
from tests.homes.desk import Path, array
from tests.state.naive import checkpoint

TRUNK: Path = (1, 2, 3, 4, 5, 6, 7, 8)


def add(coverage: Coverage, tree: Tree, path: Path, *, seq: int = -1, linked: bool = False) -> Checkpoint:
    """A checkpoint that is parked, on the host with a chain of its own, or a part only."""
    added = checkpoint(len(path))
    blob = None if seq >= 0 else Blob(np.zeros(8, np.uint8), len(path), True, 0, len(path) - 1)
    link = Link(Link.root(), 0, array(path), None) if linked else None
    added.residence = Residence(tree, seq, blob, link, len(path) if linked else 0)
    tree.attach(added, array(path))
    coverage.update(added)
    return added


def test_a_checkpoint_lives_on_whatever_passes_through_it() -> None:
    coverage, tree = Coverage(), Tree()
    low, other = add(coverage, tree, TRUNK[:3]), add(coverage, tree, (*TRUNK[:2], 9, 9))
    assert coverage.parked_over(low) is None
    host = add(coverage, tree, TRUNK[:5], linked=True)
    assert coverage.parked_over(low) is None
    parked = add(coverage, tree, TRUNK, seq=4)
    assert coverage.parked_over(low) is parked
    assert coverage.parked_over(parked) is parked
    coverage.lanes[0] = Lane(tree, other, 4)
    assert coverage.lane_over(low) is None
    assert coverage.lane_over(other) == 0
    assert coverage.seq_over(other) == 0
    coverage.lanes[1] = Lane(tree, parked, 3)
    assert coverage.lane_over(low) == 1
    assert coverage.seq_over(low) == 4
    assert coverage.lane_over(host) is None


def test_another_tree_keeps_nothing() -> None:
    coverage, tree, scope = Coverage(), Tree(), Tree()
    mine = add(coverage, tree, TRUNK[:3])
    theirs = add(coverage, scope, TRUNK, seq=4)
    coverage.lanes[0] = Lane(scope, theirs, 8)
    assert coverage.parked_over(mine) is None
    assert coverage.lane_over(mine) is None
    assert coverage.n_shared(mine) == 0


def test_shared_cells_are_those_of_the_path_in_common() -> None:
    coverage, tree = Coverage(), Tree()
    mine = add(coverage, tree, TRUNK, seq=4)
    assert coverage.n_shared(mine) == 0
    add(coverage, tree, TRUNK[:2], seq=5)
    add(coverage, tree, (*TRUNK[:4], 9), linked=True)
    assert coverage.n_shared(mine) == 2, "a copy on the host keeps no cells on the device"
    coverage.lanes[0] = Lane(tree, mine, 6)
    assert coverage.n_shared(mine) == 6
    coverage.lanes[1] = Lane(tree)
    assert coverage.n_shared(mine) == 6


def test_orphans_are_those_below_that_nothing_else_keeps() -> None:
    coverage, tree = Coverage(), Tree()
    low, middle = add(coverage, tree, TRUNK[:2]), add(coverage, tree, TRUNK[:5])
    top = add(coverage, tree, TRUNK, seq=4)
    assert list(coverage.orphans(top)) == [middle, low]
    coverage.lanes[0] = Lane(tree, middle, 3)
    assert list(coverage.orphans(top)) == [middle]
    add(coverage, tree, TRUNK[:6], linked=True)
    assert list(coverage.orphans(top)) == [middle], "one with a chain of its own is no orphan"


def test_what_is_parked_no_more_keeps_nothing() -> None:
    coverage, tree = Coverage(), Tree()
    low, top = add(coverage, tree, TRUNK[:3]), add(coverage, tree, TRUNK, seq=4)
    residence_of(top).seq = -1
    coverage.update(top)
    assert coverage.parked_over(low) is None
    residence_of(top).seq = 4
    coverage.update(top)
    assert coverage.parked_over(low) is top
    tree.detach(top)
    coverage.update(top)
    assert not coverage.parked(tree)
