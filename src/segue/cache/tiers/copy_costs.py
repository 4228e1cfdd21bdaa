"""What it takes to copy entries to the host and back, and whether it is worth that."""

import math

from segue.cache.entries.entry import Entry
from segue.cache.entries.namespaces import Namespaces
from segue.cache.tiers.device import DeviceTier
from segue.cache.tiers.host import HostTier
from segue.policy.prices import Prices
from segue.prefix.lineage import n_saved


class CopyCosts:
    """Applies measured rates to the entries on the device. Changes nothing. Belongs to the engine's thread."""

    def __init__(self, entries: Namespaces, device: DeviceTier, host: HostTier, prices: Prices) -> None:
        self._device = device
        self._host = host
        self._shape = device.engine.shape
        self._entries = entries
        self.prices = prices

    @property
    def copies_are_slow(self) -> bool:
        """Whether a state takes so long to copy that it should be copied only while nobody waits."""
        return self.prices.is_slow(self._shape.n_bytes_state)

    def is_slow(self, entry: Entry) -> bool:
        """Whether making a parked entry ready to leave the device takes long."""
        return self.prices.is_slow(self.n_bytes(entry))

    def n_bytes(self, entry: Entry) -> int:
        """About how many bytes must be copied before a parked entry can leave the device."""
        if entry.is_complete_off_device:
            return 0
        n_bytes_state = 0 if entry.has_state_on_host else self._shape.n_bytes_state
        if self._device.is_shared(entry):
            return n_bytes_state
        n_elsewhere = max(entry.n_covered, self._device.owners.n_shared(entry))
        return n_bytes_state + self._host.moved_bytes(entry.n_tokens - n_elsewhere)

    def are_worth_it(self, entry: Entry) -> bool:
        """Whether copying a parked entry, and later back, takes less time than reading again what it saves."""
        if entry.is_pinned(self._entries.clock()):
            return True
        return self.prices.is_worth_copying(self.n_bytes(entry), self._n_saved(entry))

    def are_worth_idle_time(self, entry: Entry) -> bool:
        """Whether a copy of a parked entry, made while there is nothing else to do, could ever save time."""
        return self.prices.is_worth_loading(self._shape.n_bytes_state, self._n_saved(entry))

    def n_saved_per_loss(self, entry: Entry) -> int:
        """A thousand times the tokens that a parked entry saves, per token that could be read in the time that freeing
        its sequence loses: more than a thousand if loading a copy of it is faster than reading them.
        """
        reading_s, loading_s = self.prices.read_s(self._n_saved(entry)), self.prices.load_s(self._shape.n_bytes_state)
        is_loaded = not self.n_bytes(entry) and loading_s < reading_s < math.inf
        return int(1000 * reading_s / loading_s) if is_loaded and loading_s else 1000

    def _n_saved(self, entry: Entry) -> int:
        orphans = list(self._device.owners.orphans(entry)) if self._shape.kind.shares_cells else []
        return n_saved(entry, orphans)
