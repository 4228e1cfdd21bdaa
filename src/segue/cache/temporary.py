"""Temporary entries: each is later either kept permanently or removed."""

from segue.cache.entries.entry import Entry
from segue.cache.eviction import Evictor


class TemporaryEntries:
    """Keeps or removes the entries that were saved as temporary. Belongs to the engine's thread."""

    def __init__(self, evictor: Evictor) -> None:
        self._evictor = evictor

    def keep(self, entry: Entry) -> None:
        """Keep an entry permanently, if it is still there."""
        if entry.is_attached:
            self._evictor.retention.record_taken(entry.origin)
            self._evictor.lower.put(entry, self._evictor.host)

    def remove(self, entry: Entry) -> None:
        """Remove an entry, unless another request has used it."""
        if entry.is_attached and not entry.n_hits and not self._evictor.in_use.has_copies_in_use(entry):
            self._evictor.remove(entry, None)
