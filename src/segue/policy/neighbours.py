"""Tracks each checkpoint's nearest neighbours while evictions are simulated; the tree itself does not change."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from typing import Generic

from segue.prefix.checkpoint import AnyCheckpoint
from segue.prefix.lineage import branch_of, nearest_ancestor


class Neighbours(Generic[AnyCheckpoint]):
    """The nearest ancestors of some attached checkpoints, and the next ones on their branches.

    The tree stays as it is and must not change meanwhile: `remove` removes a checkpoint from here alone.
    """

    def __init__(self, checkpoints: Iterable[AnyCheckpoint]) -> None:
        self._above: dict[AnyCheckpoint, AnyCheckpoint | None] = {}
        self._below: dict[AnyCheckpoint, AnyCheckpoint | None] = {}
        self._children: defaultdict[AnyCheckpoint, list[AnyCheckpoint]] = defaultdict(list)
        for checkpoint in checkpoints:
            branch = branch_of(checkpoint)
            i = bisect_left(branch.ends, checkpoint.n_tokens)
            above = branch.checkpoints[i - 1] if i else nearest_ancestor(checkpoint)
            self._above[checkpoint] = above
            self._below[checkpoint] = branch.checkpoints[i + 1] if i + 1 < len(branch.ends) else None
            if above is not None:
                self._children[above].append(checkpoint)

    def above(self, checkpoint: AnyCheckpoint) -> AnyCheckpoint | None:
        """The deepest checkpoint on the path strictly above."""
        return self._above[checkpoint]

    def below(self, checkpoint: AnyCheckpoint) -> AnyCheckpoint | None:
        """The next checkpoint on the same branch."""
        return self._below[checkpoint]

    def remove(self, checkpoint: AnyCheckpoint) -> list[AnyCheckpoint]:
        """Remove a checkpoint; returns the checkpoints whose neighbours change."""
        above = self._above.pop(checkpoint)
        below = self._below.pop(checkpoint)
        children = self._children.pop(checkpoint, [])
        for child in children:
            self._above[child] = above
        if above is None:
            return children
        self._children[above].remove(checkpoint)
        self._children[above] += children
        if above not in self._below or above.branch is not checkpoint.branch:
            return children
        self._below[above] = below
        return [above, *children]
