"""Entries in use, which must stay until the work with them is done."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from segue.cache.entries.entry import Entry
from segue.prefix.lineage import is_prefix


class InUse:
    """The entries that must not be evicted now, whatever their value. Belongs to the engine's thread.

    An entry that is acquired keeps its copies on the host and on lower tiers. While an entry is being used, it keeps
    its parked sequence too, and so do the parked entries whose cells it may depend on.
    """

    def __init__(self) -> None:
        self._acquired: Counter[Entry] = Counter()
        self._using: list[Entry] = []

    def acquire(self, entry: Entry) -> None:
        """Keep an entry's copies until `release`, which may be many turns later. May be called repeatedly."""
        self._acquired[entry] += 1

    def release(self, entry: Entry) -> None:
        """Undo one `acquire`."""
        self._acquired[entry] -= 1
        if not self._acquired[entry]:
            del self._acquired[entry]

    @contextmanager
    def using(self, entry: Entry) -> Iterator[None]:
        """Keep an entry, and the entries whose cells it may depend on, for the duration of a block."""
        self._using.append(entry)
        try:
            yield
        finally:
            self._using.pop()

    def has_copies_in_use(self, entry: Entry) -> bool:
        """Whether its copies on the host and on lower tiers must stay."""
        return entry in self._acquired or self.has_cells_in_use(entry)

    def has_cells_in_use(self, entry: Entry) -> bool:
        """Whether it must stay where it is, including on the device."""
        return any(_lives_on(used, entry) for used in self._using)

    def is_acquired(self, entry: Entry) -> bool:
        """Whether work that spans several turns has acquired it."""
        return entry in self._acquired


def _lives_on(used: Entry, entry: Entry) -> bool:
    if entry is used:
        return True
    return used.is_attached and not used.has_own_cells and entry.is_parked and is_prefix(used, entry)
