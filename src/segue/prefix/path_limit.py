"""Caps the tokens that each prefix tree remembers."""

from segue.prefix.checkpoint import AnyCheckpoint
from segue.prefix.tree import Tree


class PathLimit:
    """Keeps each tree near `max_tokens`. Belongs to the engine's thread.

    Trimming takes time in the number of branches, milliseconds for thousands. So each trim forgets a sixteenth more
    than it must. If checkpoints need the rest, the next trim waits until the tree has grown by a sixteenth.
    """

    def __init__(self, max_tokens: int) -> None:
        self._max_tokens = max_tokens
        self._n_slack = max_tokens // 16
        self._due: dict[object, int] = {}

    def trim(self, tree: Tree[AnyCheckpoint]) -> None:
        """Forget the least recently used paths if the tree has grown beyond its limit."""
        if tree.n_tokens > self._due.get(tree, self._max_tokens):
            tree.trim(self._max_tokens - self._n_slack)
            self._due[tree] = max(self._max_tokens, tree.n_tokens + self._n_slack)
