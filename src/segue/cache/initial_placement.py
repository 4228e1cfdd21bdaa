"""The first home of a new checkpoint."""

from segue.cache.entries.entry import Entry
from segue.cache.eviction import Evictor

_N_PARKED_FEW = 8


class InitialPlacement:
    """Gives checkpoints a home while the lane that read them still stands there. Belongs to the engine's thread."""

    def __init__(self, evictor: Evictor) -> None:
        self._evictor = evictor
        self._engine = evictor.device.engine
        self._kind = evictor.device.engine.shape.kind

    def house(self, lane: int, checkpoint: Entry, *, is_new: bool, is_tip: bool) -> bool:
        """See that the checkpoint where a lane stands has a home; False if there is no room in any.

        `is_tip` says that the lane is about to leave, so that its cells need a holder.
        """
        if is_tip and self._evictor.device.owners.parked_over(checkpoint) is None:
            return self._place_tip(lane, checkpoint)
        return not is_new or self._place(lane, checkpoint)

    def _place(self, lane: int, checkpoint: Entry) -> bool:
        """Give a checkpoint on a running lane's path a home: parked if sequences abound, else the host."""
        if self._engine.is_unified and not self._kind.has_state_part:
            return True
        device = self._evictor.device
        has_spare = len(device.free_seqs) > device.n_parked // 2
        if has_spare and not self._kind.has_window and device.put(checkpoint, lane):
            return True
        if self._evictor.host.copy_blob(checkpoint, lane, self._evictor.host_room):
            return True
        # Where parked sequences are few, the ends of paths need all of them.
        may_park = bool(device.free_seqs) or device.n_parked >= _N_PARKED_FEW
        return may_park and self._evictor.free_seq() and device.put(checkpoint, lane)

    def _place_tip(self, lane: int, checkpoint: Entry) -> bool:
        """Give a checkpoint a place that keeps its cells when the running sequence is emptied."""
        evictor = self._evictor
        if self._engine.is_unified and evictor.free_seq() and evictor.device.put(checkpoint, lane):
            if not evictor.in_use.is_acquired(checkpoint):
                evictor.host.drop_state(checkpoint)
            return True
        return evictor.copy_all(checkpoint, lane, evictor.host_room)
