"""Where one checkpoint's bytes are."""

import math
from dataclasses import dataclass

from segue.engine.base import Blob
from segue.homes.link import Link
from segue.state.checkpoint import Checkpoint
from segue.state.tree import Tree

NO_SEQ = -1


@dataclass(slots=True)
class Residence:
    """A parked sequence that stands at the checkpoint, copies in host memory and on disk, or none of them.

    A `blob` is the whole state, or the part of it that sequences cannot share. Then the attention cells are those of a
    chain of links, whose last one is `link` and of which the first `n_linked` tokens are the checkpoint's; or, if these
    are not all, those that a parked sequence or a running lane keeps whose path passes through it. `is_loaded` says
    that its chain stays in memory as far as it is there. On disk it is `row` of the index, and its blob and logits are
    `file` of `n_disk_bytes` ("": there are none); `stores_logits` says that it has logits. What could not be read,
    though it may be whole, is not asked for again before `fetch_after`, in monotonic seconds. `tree` is that of the
    cache scope.
    """

    tree: Tree
    seq: int = NO_SEQ
    blob: Blob | None = None
    link: Link | None = None
    n_linked: int = 0
    is_loaded: bool = False
    row: int | None = None
    file: str = ""
    n_disk_bytes: int = 0
    stores_logits: bool = False
    fetch_after: float = -math.inf

    @property
    def is_parked(self) -> bool:
        """Whether it keeps the attention cells of its whole path on the device."""
        return self.seq != NO_SEQ

    @property
    def is_whole(self) -> bool:
        """Whether its blob is all that it takes."""
        return self.blob is not None and not self.blob.is_partial

    @property
    def is_stored(self) -> bool:
        """Whether it is on disk."""
        return self.row is not None

    @property
    def home(self) -> str:
        """The nearest home, by its name in logs; `live` is what lives on other sequences' cells alone."""
        if self.is_parked:
            return "parked"
        if self.blob is not None or self.is_loaded:
            return "host"
        return "disk" if self.is_stored else "live"


def residence_of(checkpoint: Checkpoint) -> Residence:
    """The residence that a checkpoint in this cache always has."""
    residence = checkpoint.residence
    assert isinstance(residence, Residence)
    return residence


def has_cells(checkpoint: Checkpoint) -> bool:
    """Whether it has all of its attention cells itself, in whatever home, or needs none."""
    residence = residence_of(checkpoint)
    is_linked = residence.n_linked == checkpoint.n_tokens
    return residence.is_parked or residence.is_whole or residence.is_stored or is_linked


def host_bytes(checkpoint: Checkpoint) -> int:
    """What the checkpoint takes of host memory, its logits included, but for the links that it may share."""
    blob = residence_of(checkpoint).blob
    n_bytes = 0 if blob is None else blob.n_bytes
    return n_bytes + (0 if checkpoint.logits is None else checkpoint.logits.nbytes)
