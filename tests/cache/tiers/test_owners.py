import numpy as np

from segue.cache.entries.entry import NO_SEQ, Entry, Layout
from segue.cache.entries.segment import Segment
from segue.cache.tiers.owners import CellOwners, RunningSequence
from segue.engine.state import MODEL, State
from segue.prefix.checkpoint import Origin
from segue.prefix.tree import Tree
from tests.cache.desk import Path, array

TRUNK: Path = (1, 2, 3, 4, 5, 6, 7, 8)


def add(owners: CellOwners, tree: Tree[Entry], path: Path, *, seq: int = NO_SEQ, has_chain: bool = False) -> Entry:
    """A checkpoint that is parked, on the host with a chain of its own, or a part only."""
    n = len(path)
    layout = Layout(is_segmented=True, needs_state=True)
    added = Entry(
        n_tokens=n,
        pos_min=0,
        pos_max=n - 1,
        origin=Origin.STRIDE,
        created=0.0,
        last_used=0.0,
        tree=tree,
        layout=layout,
        seq=seq,
    )
    if seq == NO_SEQ:
        added.state = State({MODEL: np.zeros(8, np.uint8)}, n, True)
    if has_chain:
        added.segment, added.n_covered = Segment(parent=Segment.root(), start=0, tokens=array(path), cells=None), n
    tree.attach(added, array(path))
    owners.update(added)
    return added


def test_a_checkpoint_lives_on_whatever_passes_through_it() -> None:
    owners, tree = CellOwners(), Tree[Entry]()
    low, other = add(owners, tree, TRUNK[:3]), add(owners, tree, (*TRUNK[:2], 9, 9))
    assert owners.parked_over(low) is None
    host = add(owners, tree, TRUNK[:5], has_chain=True)
    assert owners.parked_over(low) is None
    parked = add(owners, tree, TRUNK, seq=4)
    assert owners.parked_over(low) is parked
    assert owners.parked_over(parked) is parked
    owners.running[0] = RunningSequence(seq=0, tree=tree, anchor=other, n_anchor=4)
    assert owners.running_over(low) is None
    assert owners.running_over(other) == 0
    assert owners.seq_over(other) == 0
    owners.running[1] = RunningSequence(seq=1, tree=tree, anchor=parked, n_anchor=3)
    assert owners.running_over(low) == 1
    assert owners.seq_over(low) == 4
    assert owners.running_over(host) is None


def test_another_tree_keeps_nothing() -> None:
    owners, tree, another = CellOwners(), Tree[Entry](), Tree[Entry]()
    mine = add(owners, tree, TRUNK[:3])
    theirs = add(owners, another, TRUNK, seq=4)
    owners.running[0] = RunningSequence(seq=0, tree=another, anchor=theirs, n_anchor=8)
    assert owners.parked_over(mine) is None
    assert owners.running_over(mine) is None
    assert owners.n_shared(mine) == 0


def test_shared_cells_are_those_of_the_path_in_common() -> None:
    owners, tree = CellOwners(), Tree[Entry]()
    mine = add(owners, tree, TRUNK, seq=4)
    assert owners.n_shared(mine) == 0
    add(owners, tree, TRUNK[:2], seq=5)
    add(owners, tree, (*TRUNK[:4], 9), has_chain=True)
    assert owners.n_shared(mine) == 2, "a copy on the host keeps no cells on the device"
    owners.running[0] = RunningSequence(seq=0, tree=tree, anchor=mine, n_anchor=6)
    assert owners.n_shared(mine) == 6
    owners.running[1] = RunningSequence(seq=1, tree=tree)
    assert owners.n_shared(mine) == 6


def test_orphans_are_those_below_that_nothing_else_keeps() -> None:
    owners, tree = CellOwners(), Tree[Entry]()
    low, middle = add(owners, tree, TRUNK[:2]), add(owners, tree, TRUNK[:5])
    top = add(owners, tree, TRUNK, seq=4)
    assert list(owners.orphans(top)) == [middle, low]
    owners.running[0] = RunningSequence(seq=0, tree=tree, anchor=middle, n_anchor=3)
    assert list(owners.orphans(top)) == [middle]
    add(owners, tree, TRUNK[:6], has_chain=True)
    assert list(owners.orphans(top)) == [middle], "one with a chain of its own is no orphan"


def test_what_is_parked_no_more_keeps_nothing() -> None:
    owners, tree = CellOwners(), Tree[Entry]()
    low, top = add(owners, tree, TRUNK[:3]), add(owners, tree, TRUNK, seq=4)
    top.seq = -1
    owners.update(top)
    assert owners.parked_over(low) is None
    top.seq = 4
    owners.update(top)
    assert owners.parked_over(low) is top
    tree.detach(top)
    owners.update(top)
    assert not owners.parked(tree)
