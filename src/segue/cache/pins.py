"""Pins: entries that clients ask the cache to keep for a time."""

from segue.cache.entries.entry import Entry
from segue.cache.entries.namespaces import Namespaces
from segue.engine.base import Tokens


class Pins:
    """Pins entries, so that all unpinned ones are evicted before them. Belongs to the engine's thread."""

    def __init__(self, entries: Namespaces) -> None:
        self._entries = entries

    def pin(self, entry: Entry, seconds: float) -> None:
        """Pin an entry for `seconds` from now; an existing pin is never shortened, and 0 pins nothing."""
        if seconds > 0:
            entry.pinned_until = max(entry.pinned_until, self._entries.clock() + seconds)

    def renew(self, namespace: str, tokens: Tokens, seconds: float) -> None:
        """Pin the entry at the end of `tokens`, if there is one, and count it as used."""
        entry = self._entries.tree(namespace).at(tokens)
        if entry is not None:
            entry.last_used = self._entries.clock()
            self.pin(entry, seconds)
