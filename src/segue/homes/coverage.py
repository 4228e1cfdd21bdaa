"""Which sequences and whole blobs keep the attention cells that checkpoints live on."""

from collections.abc import Iterator
from dataclasses import dataclass

from segue.homes.residence import residence_of
from segue.state.checkpoint import Checkpoint
from segue.state.lineage import common, is_prefix, nearest_ancestor
from segue.state.tree import Tree


@dataclass(slots=True)
class Lane:
    """A running sequence. Its path passes through `anchor` up to `n_anchor` tokens (0: nothing known of it)."""

    tree: Tree
    anchor: Checkpoint | None = None
    n_anchor: int = 0


class Coverage:
    """All that keeps attention cells: holders among the checkpoints, and the running lanes."""

    def __init__(self) -> None:
        self.lanes: dict[int, Lane] = {}
        self._holders: dict[Tree, set[Checkpoint]] = {}

    def holders(self, tree: Tree) -> set[Checkpoint]:
        """The checkpoints of a tree that keep the cells of their whole path."""
        return self._holders.setdefault(tree, set())

    def update(self, checkpoint: Checkpoint) -> None:
        """Take note of what became of a checkpoint's residence."""
        tree = residence_of(checkpoint).tree
        if checkpoint.branch is not None and residence_of(checkpoint).is_holder:
            self.holders(tree).add(checkpoint)
        else:
            self.holders(tree).discard(checkpoint)

    def lane_over(self, checkpoint: Checkpoint) -> int | None:
        """A running lane that holds the checkpoint's cells."""
        tree = residence_of(checkpoint).tree
        for seq, lane in self.lanes.items():
            if (
                lane.tree is tree
                and lane.anchor is not None
                and lane.n_anchor >= checkpoint.n_tokens
                and is_prefix(checkpoint, lane.anchor)
            ):
                return seq
        return None

    def holder_over(self, checkpoint: Checkpoint) -> Checkpoint | None:
        """A holder whose path passes through the checkpoint, a parked one if there is any."""
        found = None
        for holder in self.holders(residence_of(checkpoint).tree):
            if holder.n_tokens >= checkpoint.n_tokens and is_prefix(checkpoint, holder):
                if residence_of(holder).seq >= 0:
                    return holder
                found = holder
        return found

    def n_shared(self, checkpoint: Checkpoint, *, on_device: bool = False) -> int:
        """How many of the checkpoint's first cells others keep as well, on the device only if asked so."""
        n_shared = self.n_on_lanes(checkpoint)
        for holder in self.holders(residence_of(checkpoint).tree):
            if holder is not checkpoint and (not on_device or residence_of(holder).seq >= 0):
                n_shared = max(n_shared, common(checkpoint, holder))
        return n_shared

    def n_on_lanes(self, checkpoint: Checkpoint) -> int:
        """How many of the checkpoint's first cells running lanes keep."""
        n_shared = 0
        tree = residence_of(checkpoint).tree
        for lane in self.lanes.values():
            if lane.tree is tree and lane.anchor is not None:
                n_shared = max(n_shared, min(lane.n_anchor, common(checkpoint, lane.anchor)))
        return n_shared

    def orphans(self, checkpoint: Checkpoint) -> Iterator[Checkpoint]:
        """Checkpoints that would lose their cells with this one, deepest first."""
        n_shared = self.n_shared(checkpoint)
        ancestor = nearest_ancestor(checkpoint)
        while ancestor is not None and ancestor.n_tokens > n_shared:
            yield ancestor
            ancestor = nearest_ancestor(ancestor)
