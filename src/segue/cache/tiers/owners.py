"""Tracks which sequences keep the attention cells that checkpoints depend on."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from segue.cache.entries.entry import Entry
from segue.prefix.lineage import ancestors, common, is_prefix
from segue.prefix.tree import Tree
from segue.prefix.visit import Visit


@dataclass(slots=True, eq=False, kw_only=True)
class RunningSequence:
    """A sequence of the engine that is in use. Its path agrees with that of `anchor` for `n_anchor` tokens.

    `n_anchor` is 0 while its path is unknown. `visit` is the request that runs on the sequence, None where the server
    reads for itself. `restoring` is the entry that the sequence is being restored from; `fresh` lists the entries saved
    from it that stay fresh while it runs.
    """

    seq: int
    tree: Tree[Entry]
    anchor: Entry | None = None
    n_anchor: int = 0
    visit: Visit | None = None
    restoring: Entry | None = None
    fresh: list[Entry] = field(default_factory=list)

    def stand_at(self, entry: Entry, n_tokens: int) -> None:
        """Note that the sequence has read the first `n_tokens` of an entry's path."""
        self.anchor, self.n_anchor = entry, n_tokens


class CellOwners:
    """The owners of attention cells on the device: parked checkpoints and running sequences."""

    def __init__(self) -> None:
        self.running: dict[int, RunningSequence] = {}
        self._parked: dict[Tree[Entry], dict[Entry, None]] = {}

    def parked(self, tree: Tree[Entry]) -> dict[Entry, None]:
        """The parked checkpoints of a tree, which keep the cells of their whole path; as keys, in order."""
        return self._parked.setdefault(tree, {})

    def all_parked(self) -> list[Entry]:
        """The parked checkpoints of all trees."""
        return [entry for parked in self._parked.values() for entry in parked]

    def update(self, entry: Entry) -> None:
        """Record that a checkpoint was parked, is no longer parked, or has left its tree."""
        if entry.is_attached and entry.is_parked:
            self.parked(entry.tree)[entry] = None
        else:
            self.parked(entry.tree).pop(entry, None)

    def running_over(self, entry: Entry) -> int | None:
        """A running sequence that holds the checkpoint's cells."""
        tree = entry.tree
        for seq, running in self.running.items():
            if (
                running.tree is tree
                and running.anchor is not None
                and running.n_anchor >= entry.n_tokens
                and is_prefix(entry, running.anchor)
            ):
                return seq
        return None

    def parked_over(self, entry: Entry) -> Entry | None:
        """A parked checkpoint whose path passes through this one."""
        for parked in self.parked(entry.tree):
            if parked.n_tokens >= entry.n_tokens and is_prefix(entry, parked):
                return parked
        return None

    def seq_over(self, entry: Entry) -> int | None:
        """A sequence that holds the checkpoint's cells, preferably a parked one."""
        parked = self.parked_over(entry)
        return self.running_over(entry) if parked is None else parked.seq

    def source(self, entry: Entry) -> int | None:
        """The sequence to copy a checkpoint from: the one it is parked on, or one that holds its cells."""
        return entry.seq if entry.is_parked else self.seq_over(entry)

    def is_on_device(self, entry: Entry) -> bool:
        """Whether it can continue at once, or after copying only its state from the host."""
        if entry.is_parked:
            return True
        return entry.has_state_on_host and self.seq_over(entry) is not None

    def is_near(self, entry: Entry) -> bool:
        """Whether it can be restored without the lower tier."""
        return entry.is_parked or entry.is_on_host or self.is_on_device(entry)

    def n_shared(self, entry: Entry) -> int:
        """How many of the checkpoint's first cells other sequences keep too."""
        n_shared = self.n_on_running(entry)
        for parked in self.parked(entry.tree):
            if n_shared == entry.n_tokens:
                break
            if parked is not entry and parked.n_tokens > n_shared:
                n_shared = max(n_shared, common(entry, parked))
        return n_shared

    def n_on_running(self, entry: Entry) -> int:
        """How many of the checkpoint's first cells running sequences keep."""
        n_shared = 0
        tree = entry.tree
        for running in self.running.values():
            if running.tree is tree and running.anchor is not None:
                n_shared = max(n_shared, min(running.n_anchor, common(entry, running.anchor)))
        return n_shared

    def orphans(self, entry: Entry) -> Iterator[Entry]:
        """The checkpoints on its path whose only cells are those of its sequence, deepest first."""
        n_shared = self.n_shared(entry)
        for ancestor in ancestors(entry):
            if ancestor.n_tokens <= n_shared:
                break
            if not ancestor.has_own_cells:
                yield ancestor
