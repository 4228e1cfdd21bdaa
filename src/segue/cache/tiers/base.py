"""The contract of every tier."""

from dataclasses import dataclass
from typing import Protocol, TypeVar

from segue.cache.entries.entry import Entry

Place = TypeVar("Place", contravariant=True)


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes that a tier uses, and how many it may."""

    used_bytes: int
    limit_bytes: int


class Tier(Protocol[Place]):
    """Somewhere that entries can be kept. Belongs to the engine's thread, and never blocks it.

    `Place` is where an entry comes from and goes to: for the device and the host, a sequence of the engine; for the
    tiers below, the host tier. A lower tier holds all of an entry or nothing.
    No tier ever uses more than its limit.
    """

    def has(self, entry: Entry) -> bool:
        """Whether the tier can give all of the entry back, its logits aside."""

    def cost(self, entry: Entry, *, with_logits: bool = True) -> int:
        """The most bytes that `get` would bring into the tier above; 0 if nothing need come from here."""

    def put(self, entry: Entry, source: Place) -> bool:
        """Keep an entry, or its next piece; False if there is no room.

        A tier that works in the background only queues it, and True then promises nothing: `has` tells.
        """

    def get(self, entry: Entry, target: Place, *, with_logits: bool = True) -> bool:
        """Bring an entry back, or its next piece, or begin to; False if that is not possible now."""

    def drop(self, entry: Entry) -> None:
        """Drop the tier's parts of an entry; harmless if it has none."""

    def usage(self) -> Usage:
        """The bytes that the tier uses, and its limit."""
