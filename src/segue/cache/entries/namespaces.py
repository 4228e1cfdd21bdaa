"""All cached entries, by namespace."""

import time
from collections.abc import Callable, Iterator

from segue.cache.entries.entry import Entry
from segue.prefix.tree import Tree

Clock = Callable[[], float]


class Namespaces:
    """The prefix tree of each namespace; state never crosses namespaces. Belongs to the engine's thread.

    `clock` gives monotonic seconds.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self.clock = clock
        self.trees: dict[str, Tree[Entry]] = {}

    def tree(self, namespace: str) -> Tree[Entry]:
        """The tree of a namespace, empty at first."""
        return self.trees.setdefault(namespace, Tree())

    def namespace(self, entry: Entry) -> str:
        """The namespace that an entry belongs to."""
        return next(name for name, tree in self.trees.items() if tree is entry.tree)

    def all(self) -> Iterator[Entry]:
        """All cached entries of all namespaces. Lazy; no tree may change meanwhile."""
        for tree in self.trees.values():
            yield from tree.checkpoints()
