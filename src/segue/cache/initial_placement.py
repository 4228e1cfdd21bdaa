"""The first place of a new checkpoint."""

from segue.cache.entries.entry import Entry
from segue.cache.eviction import Evictor

_N_PARKED_FEW = 8


class InitialPlacement:
    """Places checkpoints while the sequence that read them still stands there. Belongs to the engine's thread."""

    def __init__(self, evictor: Evictor) -> None:
        self._evictor = evictor
        self._engine = evictor.device.engine
        self._kind = evictor.device.engine.shape.kind

    def place(self, seq: int, entry: Entry, *, is_new: bool, is_tip: bool) -> bool:
        """Ensure that the checkpoint at which a sequence stands has a place; False if no tier has room for it.

        `is_tip`: the sequence is about to be emptied, so the checkpoint must take over its cells.
        """
        if is_tip and self._evictor.device.owners.parked_over(entry) is None:
            return self._place_tip(seq, entry)
        return not is_new or self._place_on_path(seq, entry)

    def _place_on_path(self, seq: int, entry: Entry) -> bool:
        """Place a checkpoint on a running sequence's path: parked if many sequences are free, else on the host."""
        if self._engine.is_unified and not self._kind.has_state_part:
            return True
        device = self._evictor.device
        has_spare = len(device.free_seqs) > device.n_parked // 2
        if has_spare and not self._kind.has_window and device.put(entry, seq):
            return True
        if self._evictor.host.copy_state(entry, seq, self._evictor.host_room):
            return True
        # Where few sequences can park entries, the ends of paths need all of them.
        may_park = bool(device.free_seqs) or device.n_parked >= _N_PARKED_FEW
        return may_park and self._evictor.ensure_free_seq() and device.put(entry, seq)

    def _place_tip(self, seq: int, entry: Entry) -> bool:
        """Give a checkpoint a place that keeps its cells when the running sequence is emptied."""
        evictor = self._evictor
        if self._engine.is_unified and evictor.ensure_free_seq() and evictor.device.put(entry, seq):
            if not evictor.in_use.is_acquired(entry):
                evictor.host.drop_copy(entry)
            return True
        return evictor.copy_all(entry, seq, evictor.host_room)
