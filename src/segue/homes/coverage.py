"""Which sequences keep the attention cells that checkpoints live on."""

from collections.abc import Iterator
from dataclasses import dataclass

from segue.homes.residence import has_cells, residence_of
from segue.state.checkpoint import Checkpoint
from segue.state.lineage import ancestors, common, is_prefix
from segue.state.tree import Tree


@dataclass(slots=True)
class Lane:
    """A running sequence. Its path passes through `anchor` up to `n_anchor` tokens (0: nothing known of it)."""

    tree: Tree
    anchor: Checkpoint | None = None
    n_anchor: int = 0


class Coverage:
    """All that keeps attention cells on the device: parked checkpoints, and the running lanes."""

    def __init__(self) -> None:
        self.lanes: dict[int, Lane] = {}
        self._parked: dict[Tree, dict[Checkpoint, None]] = {}

    def parked(self, tree: Tree) -> dict[Checkpoint, None]:
        """The parked checkpoints of a tree, which keep the cells of their whole path; as keys, in order."""
        return self._parked.setdefault(tree, {})

    def update(self, checkpoint: Checkpoint) -> None:
        """Take note of what became of a checkpoint's residence."""
        residence = residence_of(checkpoint)
        if checkpoint.branch is not None and residence.is_parked:
            self.parked(residence.tree)[checkpoint] = None
        else:
            self.parked(residence.tree).pop(checkpoint, None)

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

    def parked_over(self, checkpoint: Checkpoint) -> Checkpoint | None:
        """A parked checkpoint whose path passes through this one."""
        for parked in self.parked(residence_of(checkpoint).tree):
            if parked.n_tokens >= checkpoint.n_tokens and is_prefix(checkpoint, parked):
                return parked
        return None

    def seq_over(self, checkpoint: Checkpoint) -> int | None:
        """A sequence that holds the checkpoint's cells, a parked one if there is any."""
        parked = self.parked_over(checkpoint)
        return self.lane_over(checkpoint) if parked is None else residence_of(parked).seq

    def n_shared(self, checkpoint: Checkpoint) -> int:
        """How many of the checkpoint's first cells other sequences keep as well."""
        n_shared = self.n_on_lanes(checkpoint)
        for parked in self.parked(residence_of(checkpoint).tree):
            if parked is not checkpoint:
                n_shared = max(n_shared, common(checkpoint, parked))
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
        """Checkpoints on its path that have no cells but those of its sequence, deepest first."""
        n_shared = self.n_shared(checkpoint)
        for ancestor in ancestors(checkpoint):
            if ancestor.n_tokens <= n_shared:
                break
            if not has_cells(ancestor):
                yield ancestor
