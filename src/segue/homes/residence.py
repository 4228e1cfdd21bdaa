"""Where one checkpoint's bytes are."""

from dataclasses import dataclass

from segue.engine.base import Blob
from segue.state.checkpoint import Checkpoint
from segue.state.tree import Tree

NO_SEQ = -1


@dataclass(slots=True)
class Residence:
    """A parked sequence that stands at the checkpoint, a blob in host memory, or neither.

    With neither, or with a partial blob, the checkpoint lives on attention cells that a holder keeps: a parked
    sequence, a whole blob or a running lane whose path passes through it. `tree` is that of the cache scope.
    """

    tree: Tree
    seq: int = NO_SEQ
    blob: Blob | None = None

    @property
    def is_holder(self) -> bool:
        """Whether it keeps the attention cells of its whole path by itself."""
        return self.seq != NO_SEQ or (self.blob is not None and not self.blob.is_partial)

    @property
    def home(self) -> str:
        """The home's name in logs: `parked`, `host`, or `live` for what lives on other sequences' cells alone."""
        if self.seq != NO_SEQ:
            return "parked"
        return "host" if self.blob is not None else "live"


def residence_of(checkpoint: Checkpoint) -> Residence:
    """The residence that a checkpoint in this cache always has."""
    residence = checkpoint.residence
    assert isinstance(residence, Residence)
    return residence


def host_bytes(checkpoint: Checkpoint) -> int:
    """What the checkpoint takes of host memory, its logits included."""
    blob = residence_of(checkpoint).blob
    n_bytes = 0 if blob is None else blob.n_bytes
    return n_bytes + (0 if checkpoint.logits is None else checkpoint.logits.nbytes)
