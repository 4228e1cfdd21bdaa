"""The first home of a new checkpoint."""

from segue.engine.errors import NoRoomError
from segue.homes.entry import Entry
from segue.homes.space import Space

_N_PARKED_FEW = 8


class Housing:
    """Gives checkpoints a home while the lane that read them still stands there. Belongs to the engine's thread."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._engine = space.engine
        self._kind = space.engine.shape.kind

    def house(self, lane: int, checkpoint: Entry, *, is_new: bool, is_tip: bool) -> bool:
        """See that the checkpoint where a lane stands has a home; False if there is no room in any.

        `is_tip` says that the lane is about to leave, so that its cells need a holder.
        """
        if is_tip and self._space.coverage.parked_over(checkpoint) is None:
            return self._place_tip(lane, checkpoint)
        return not is_new or self._place(lane, checkpoint)

    def _place(self, lane: int, checkpoint: Entry) -> bool:
        """Give a checkpoint on a running lane's path a home: parked if sequences abound, else the host."""
        if self._engine.is_unified and not self._kind.has_state_part:
            return True
        free_seqs = self._space.free_seqs
        spare = len(free_seqs) > self._space.n_parked // 2
        if spare and not self._kind.has_window and self._park(lane, checkpoint, free_seqs.pop()):
            return True
        if self._space.copies.copy_blob(checkpoint, lane, self._space.host_room):
            return True
        # Where parked sequences are few, the ends of paths need all of them.
        seq = self._space.seq() if free_seqs or self._space.n_parked >= _N_PARKED_FEW else None
        return seq is not None and self._park(lane, checkpoint, seq)

    def _place_tip(self, lane: int, checkpoint: Entry) -> bool:
        """Give a checkpoint a home that keeps its cells when the lane goes."""
        seq = self._space.seq() if self._engine.is_unified else None
        if seq is not None and self._park(lane, checkpoint, seq):
            if checkpoint not in self._space.held:
                self._space.copies.drop_state(checkpoint)
            return True
        return self._space.copy_all(checkpoint, lane, self._space.host_room)

    def _park(self, lane: int, checkpoint: Entry, seq: int) -> bool:
        try:
            self._engine.copy(lane, seq, own_window=True)
        except NoRoomError:
            self._engine.drop(seq)
            self._space.free_seqs.append(seq)
            return False
        checkpoint.seq = seq
        self._space.note_window(checkpoint)
        self._space.coverage.update(checkpoint)
        return True
