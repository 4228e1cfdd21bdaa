"""The first place of a new checkpoint."""

from segue.cache.entries.entry import Entry
from segue.cache.eviction import Evictor
from segue.prefix.lineage import n_saved

_N_PARKED_FEW = 8


class InitialPlacement:
    """Places checkpoints while the sequence that read them still stands there. Belongs to the engine's thread."""

    def __init__(self, evictor: Evictor) -> None:
        self._evictor = evictor
        self._engine = evictor.device.engine
        self._kind = evictor.device.engine.shape.kind

    def place(self, seq: int, entry: Entry, *, is_new: bool, is_tip: bool, is_temporary: bool = False) -> bool:
        """Ensure that the checkpoint at which a sequence stands has a place; False if no tier has room for it.

        `is_tip`: the sequence is about to be emptied, so the checkpoint must take over its cells. Where copies are
        slow, a checkpoint that `is_temporary` displaces only others of its own request.
        """
        if is_tip and self._evictor.device.owners.parked_over(entry) is None:
            return self._place_tip(seq, entry)
        return not is_new or self._place_on_path(seq, entry, displaces=not is_temporary)

    def _place_on_path(self, seq: int, entry: Entry, *, displaces: bool) -> bool:
        """Place a checkpoint on a running sequence's path: parked if many sequences are free, else on the host."""
        if self._engine.is_unified and not self._kind.has_state_part:
            return True
        device = self._evictor.device
        # Every batch attends to all cells of a window's cache, so a parked one is better only than a slow copy.
        parks = device.n_parked > 0 and (self._evictor.costs.copies_are_slow or not self._kind.has_window)
        if parks and device.has_spare and device.put(entry, seq):
            return True
        n_bytes = self._engine.state_bytes(seq, partial=self._evictor.host.layout.is_segmented)
        if self._evictor.costs.prices.is_slow(n_bytes):
            if parks and self._has_free_seq_at_once(seq, entry, displaces=displaces) and device.put(entry, seq):
                return True
            return self._copy_if_worth_it(seq, entry, n_bytes, parks=parks)
        if self._evictor.host.copy_state(entry, seq, self._evictor.host_room):
            return True
        # Where few sequences can park entries, the ends of paths need all of them.
        may_park = bool(device.free_seqs) or device.n_parked >= _N_PARKED_FEW
        return may_park and self._evictor.ensure_free_seq() and device.put(entry, seq)

    def _has_free_seq_at_once(self, seq: int, entry: Entry, *, displaces: bool) -> bool:
        """Ensure without copying that a sequence is free, if another checkpoint can give it up."""
        evictor = self._evictor
        if evictor.device.free_seqs or (displaces and evictor.ensure_free_seq_at_once()):
            return True
        visit = evictor.device.owners.running[seq].visit
        return visit is not None and evictor.replace_recent(entry, visit.arrived)

    def _copy_if_worth_it(self, seq: int, entry: Entry, n_bytes: int, *, parks: bool) -> bool:
        """Copy a state that takes long to copy, if it is better there than nowhere: a request may have to wait."""
        evictor, prices = self._evictor, self._evictor.costs.prices
        delays = parks and evictor.device.owners.running[seq].visit is not None
        is_worth = prices.is_worth_waiting if delays else prices.is_worth_copying
        if not is_worth(n_bytes, n_saved(entry)) and not self._is_pinned(entry):
            return False
        return evictor.host.copy_state(entry, seq, evictor.host_room)

    def _place_tip(self, seq: int, entry: Entry) -> bool:
        """Give a checkpoint a place that keeps its cells when the running sequence is emptied."""
        evictor = self._evictor
        if self._engine.is_unified and evictor.ensure_free_seq() and evictor.device.put(entry, seq):
            # With a copy, the entry can leave at once.
            if not evictor.in_use.is_acquired(entry) and not evictor.costs.copies_are_slow:
                evictor.host.drop_copy(entry)
            return True
        n_bytes = evictor.host.missing_bytes(entry, seq)
        if not evictor.costs.prices.is_worth_copying(n_bytes, n_saved(entry)) and not self._is_pinned(entry):
            return False
        return evictor.copy_all(entry, seq, evictor.host_room)

    def _is_pinned(self, entry: Entry) -> bool:
        return entry.is_pinned(self._evictor.entries.clock())
