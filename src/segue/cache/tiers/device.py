"""The device tier: sequences on which entries are parked."""

from segue.cache.entries.entry import NO_SEQ, Entry
from segue.cache.tiers.base import Usage
from segue.cache.tiers.owners import CellOwners
from segue.engine.base import Engine
from segue.engine.errors import NoRoomError


class DeviceTier:
    """Parks entries on sequences of the engine that no request runs on. Belongs to the engine's thread.

    The first `n_running` sequences are the loop's. Sequence `scratch` stays empty for copies to pass through, and the
    `n_parked` after it park entries; `free_seqs` are those that park nothing.
    """

    def __init__(self, engine: Engine, n_running: int, n_parked: int) -> None:
        self.engine = engine
        self.owners = CellOwners()
        self.scratch = n_running
        self.n_parked = n_parked
        self.free_seqs = list(range(n_running + n_parked, n_running, -1))

    @property
    def has_spare(self) -> bool:
        """Whether more than half of the sequences are free: the others are for the ends of paths."""
        return len(self.free_seqs) > self.n_parked // 2

    def has(self, entry: Entry) -> bool:
        """Whether the entry is parked."""
        return entry.is_parked

    def cost(self, entry: Entry, *, with_logits: bool = True) -> int:  # noqa: ARG002
        """Bytes to move before a sequence can continue from it: none, since its cells are shared."""
        return 0

    def put(self, entry: Entry, source: int) -> bool:
        """Park an entry where sequence `source` stands; False if no sequence is free or its window finds no cells."""
        if not self.free_seqs:
            return False
        seq = self.free_seqs.pop()
        try:
            self.engine.copy(source, seq, trims_window=True)
        except NoRoomError:
            self.engine.drop(seq)
            self.free_seqs.append(seq)
            return False
        self.move(entry, seq)
        return True

    def get(self, entry: Entry, target: int, *, with_logits: bool = True) -> bool:  # noqa: ARG002
        """Restore a parked entry to the empty sequence `target`, sharing its cells."""
        self.engine.copy(entry.seq, target)
        return True

    def drop(self, entry: Entry) -> None:
        """Free the sequence that an entry is parked on, if any; the caller handles entries that depend on its cells."""
        if entry.is_parked:
            self.engine.drop(entry.seq)
            self.free_seqs.append(entry.seq)
            entry.seq = NO_SEQ
        self.owners.update(entry)

    def usage(self) -> Usage:
        """The sequences that park entries, in bytes of the state that each holds."""
        n_bytes = max(1, self.engine.shape.n_bytes_state)
        return Usage((self.n_parked - len(self.free_seqs)) * n_bytes, self.n_parked * n_bytes)

    def parked(self) -> list[Entry]:
        """All parked entries."""
        return self.owners.all_parked()

    def is_shared(self, entry: Entry) -> bool:
        """Whether other sequences keep all cells of an entry too; always true if the memory has no cells."""
        return not self.engine.shape.kind.shares_cells or self.owners.n_shared(entry) == entry.n_tokens

    def move(self, entry: Entry, seq: int) -> None:
        """Record that an entry is parked on a sequence that already stands there."""
        entry.seq = seq
        if self.engine.shape.kind.has_window:
            # libllama may take the window cells that the next token would not see.
            entry.pos_min = max(entry.pos_min, entry.n_tokens - self.engine.shape.n_swa + 1)
        self.owners.update(entry)
