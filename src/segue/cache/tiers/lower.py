"""The tier below the host: slower and larger. Requests may wait for it; the engine's thread does not."""

from collections.abc import Callable
from typing import Protocol

from segue.cache.entries.entry import Entry
from segue.cache.entries.in_use import InUse
from segue.cache.entries.namespaces import Namespaces
from segue.cache.tiers.base import Tier, Usage
from segue.cache.tiers.device import DeviceTier
from segue.cache.tiers.host import HostTier
from segue.policy.retention import Retention
from segue.prefix.loss import Loss


class UpperTiers(Protocol):
    """The device and the host, as a lower tier sees them."""

    entries: Namespaces
    device: DeviceTier
    host: HostTier
    in_use: InUse
    retention: Retention

    def host_room(self, n_bytes: int) -> bool:
        """Make room on the host by dropping what is worth least; False if that is impossible now."""

    def stored_room(self, n_bytes: int) -> bool:
        """Make room on the host by dropping only copies that a lower tier has too."""

    def copy_all(self, entry: Entry, seq: int, room: Callable[[int], bool]) -> bool:
        """Copy all of an entry that `seq` stands at to the host; False if there is no room, with nothing copied."""

    def remove(self, entry: Entry, loss: Loss | None) -> None:
        """Drop an entry from all tiers and from its tree, and those that cannot live without its cells."""

    def tier(self, entry: Entry) -> str:
        """The name of an entry's nearest tier."""


class LowerTier(Tier[HostTier], Protocol):
    """A tier that works in the background: `put` and `get` only ask, and `maintain` and `collect` do the work.

    While it has an entry, `Entry.stored` says so. Belongs to the engine's thread, like every tier.
    """

    @property
    def name(self) -> str:
        """The tier's name in logs and in reports, such as `disk`."""

    @property
    def is_idle(self) -> bool:
        """Whether all is stored for which there is room, and nothing is under way."""

    def maintain(self) -> bool:
        """Do one short step of what `put` asked for; False if nothing can be done now."""

    def collect(self) -> None:
        """Take over what has come back or has been stored since the last call.

        An entry that a call takes over stays on the host until the next call.
        """

    def close(self, timeout_s: float) -> None:
        """Store as much as there is time for; the tier cannot be used afterwards."""


class NullTier:
    """No tier at all."""

    name = "none"

    def has(self, entry: Entry) -> bool:  # noqa: ARG002
        """Nothing is kept."""
        return False

    def cost(self, entry: Entry, *, with_logits: bool = True) -> int:  # noqa: ARG002
        """Nothing need come from here."""
        return 0

    def put(self, entry: Entry, source: HostTier) -> bool:  # noqa: ARG002
        """There is no room."""
        return False

    def get(self, entry: Entry, target: HostTier, *, with_logits: bool = True) -> bool:  # noqa: ARG002
        """Nothing comes back."""
        return False

    def drop(self, entry: Entry) -> None:
        """There is nothing to give up."""

    def usage(self) -> Usage:
        """Nothing is used."""
        return Usage(0, 0)

    @property
    def is_idle(self) -> bool:
        """It always is."""
        return True

    def maintain(self) -> bool:
        """There is nothing to do."""
        return False

    def collect(self) -> None:
        """Nothing comes."""

    def close(self, timeout_s: float) -> None:
        """There is nothing to store."""
