"""A checkpoint: the metadata of one saved state of the model's memory. The cache knows where its bytes are."""

import math
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypeVar


class Origin(StrEnum):
    """The reason why a checkpoint was taken at its position."""

    MESSAGE_END = "message_end"
    PROMPT_END = "prompt_end"
    REPLY_END = "reply_end"
    FORK = "fork"
    VOLATILE = "volatile"
    BREAKPOINT = "breakpoint"
    STRIDE = "stride"
    REWIND = "rewind"
    FORESEEN = "foreseen"


@dataclass(slots=True, eq=False, kw_only=True)
class Checkpoint:
    """The model's memory after reading exactly `n_tokens` of a path; equal only to itself.

    `pos_min` and `pos_max` bound the positions that the memory held, both inclusive. `n_bytes` is the size of its own
    state part and its logits, without shared cells. Times are monotonic seconds, given by the caller. `n_forks` of the
    `n_hits` came from other conversations. `has_far_logits`: its logits are kept, but must be fetched first.
    `positions_digest` digests the checkpoint positions at which reading stopped up to here, in reproducible mode only
    (`policy/reproducible_positions.py`). `branch` belongs to the tree; others use `lineage.branch_of`. The operator
    sets `pinned`, which is permanent; clients set `pinned_until`. `is_fresh`: the request that took it still runs, and
    the next request is likely to start from it.
    """

    n_tokens: int
    pos_min: int
    pos_max: int
    origin: Origin
    created: float
    last_used: float
    n_bytes: int = 0
    n_hits: int = 0
    n_forks: int = 0
    logits: NDArray[np.float32] | None = None
    has_far_logits: bool = False
    pinned: bool = False
    pinned_until: float = -math.inf
    is_fresh: bool = False
    positions_digest: int | None = None
    branch: object | None = field(default=None, repr=False)

    @property
    def is_attached(self) -> bool:
        """Whether it is in a tree."""
        return self.branch is not None

    @property
    def pos_end(self) -> int:
        """The exclusive end of the saved positions."""
        return self.pos_max + 1

    def is_pinned(self, now: float) -> bool:
        """Whether all unpinned checkpoints are evicted before it."""
        return self.pinned or self.is_fresh or now < self.pinned_until

    @property
    def has_logits(self) -> bool:
        """Whether the logits after its last token are kept, in memory or on a lower tier."""
        return self.logits is not None or self.has_far_logits


AnyCheckpoint = TypeVar("AnyCheckpoint", bound=Checkpoint, default=Checkpoint)
"""The class of all checkpoints in one tree."""
