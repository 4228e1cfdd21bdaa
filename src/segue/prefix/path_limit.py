"""How long a memory of paths the trees have."""

from segue.prefix.checkpoint import AnyCheckpoint
from segue.prefix.tree import Tree


class PathLimit:
    """Keeps each tree near `max_tokens`. Belongs to the engine's thread.

    Trimming takes time in the number of branches, milliseconds for thousands. So a sixteenth more is forgotten than has
    to be, and where checkpoints need the rest, nothing is tried before a sixteenth more has come.
    """

    def __init__(self, max_tokens: int) -> None:
        self._max_tokens = max_tokens
        self._n_slack = max_tokens // 16
        self._due: dict[object, int] = {}

    def trim(self, tree: Tree[AnyCheckpoint]) -> None:
        """Forget what was used least recently, if the tree has come to know too much."""
        if tree.n_tokens > self._due.get(tree, self._max_tokens):
            tree.trim(self._max_tokens - self._n_slack)
            self._due[tree] = max(self._max_tokens, tree.n_tokens + self._n_slack)
