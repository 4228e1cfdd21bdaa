"""Running sequences, kept dense: libllama splits a batch whose sequence ids have gaps."""

from segue.cache.state_cache import StateCache
from segue.loop.slot import NO_LANE, Slot


class Lanes:
    """The sequences `0..n_lanes-1` that slots run on."""

    def __init__(self, n_lanes: int, cache: StateCache) -> None:
        self._slots: list[Slot | None] = [None] * n_lanes
        self._cache = cache

    def give(self, slot: Slot) -> int:
        """Give a slot the lowest free lane; there is one for each slot."""
        slot.lane = self._slots.index(None)
        self._slots[slot.lane] = slot
        return slot.lane

    def take_back(self, slot: Slot) -> None:
        """Take an emptied lane back and close the gap with the highest one, where sequences can be moved."""
        lane, slot.lane = slot.lane, NO_LANE
        self._slots[lane] = None
        top = max((i for i, other in enumerate(self._slots) if other is not None), default=NO_LANE)
        if top > lane and self._cache.engine.is_unified:
            self._cache.move(top, lane)
            moved = self._slots[top]
            assert moved is not None
            moved.lane = lane
            self._slots[lane], self._slots[top] = moved, None
