"""Entries that clients want to be kept for a time."""

from segue.cache.entries.entry import Entry
from segue.cache.entries.namespaces import Namespaces
from segue.engine.base import Tokens


class Pins:
    """Lets everything else be evicted before pinned entries. Belongs to the engine's thread."""

    def __init__(self, entries: Namespaces) -> None:
        self._entries = entries

    def pin(self, entry: Entry, seconds: float) -> None:
        """Pin an entry for so many seconds from now, or for longer if it is already; not at all for 0."""
        if seconds > 0:
            entry.pinned_until = max(entry.pinned_until, self._entries.clock() + seconds)

    def renew(self, namespace: str, tokens: Tokens, seconds: float) -> None:
        """Pin the entry at the end of `tokens`, if there is one, which counts as used."""
        entry = self._entries.tree(namespace).at(tokens)
        if entry is not None:
            entry.last_used = self._entries.clock()
            self.pin(entry, seconds)
