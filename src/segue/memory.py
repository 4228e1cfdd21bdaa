"""The traits of a model's memory, which decide which prefixes a checkpoint of it can restore."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class MemoryTraits(Protocol):
    """Everything that other packages may ask about a kind of memory; a new kind answers these and needs no more."""

    @property
    def shares_cells(self) -> bool:
        """Whether there are full-attention cells, one for each token, that sequences can share."""

    @property
    def has_state_part(self) -> bool:
        """Whether a checkpoint needs a copy of state that sequences cannot share: recurrent state or a window."""

    @property
    def rewinds(self) -> bool:
        """Whether a tail can be dropped at any token, so that one checkpoint restores every prefix of its path."""

    @property
    def has_recurrent(self) -> bool:
        """Whether part of the state is overwritten by every token, so that no tail can ever be dropped."""

    @property
    def has_window(self) -> bool:
        """Whether some layers keep only the last `n_swa` tokens; a tail can be dropped while its window is held."""


class MemoryKind(StrEnum):
    """The kinds of memory that libllama models have. Ask for their traits instead of comparing them."""

    ATTENTION = "attention"
    SLIDING_WINDOW = "sliding-window"
    RECURRENT = "recurrent"
    HYBRID = "hybrid"
    HYBRID_WINDOW = "hybrid-sliding-window"

    @property
    def shares_cells(self) -> bool:
        """True unless the whole state is recurrent."""
        return self is not MemoryKind.RECURRENT

    @property
    def has_state_part(self) -> bool:
        """True for recurrent state and for windows."""
        return self.has_recurrent or self.has_window

    @property
    def rewinds(self) -> bool:
        """True for plain attention."""
        return not self.has_state_part

    @property
    def has_recurrent(self) -> bool:
        """True for recurrent and hybrid models."""
        return self in (MemoryKind.RECURRENT, MemoryKind.HYBRID, MemoryKind.HYBRID_WINDOW)

    @property
    def has_window(self) -> bool:
        """True for models with a sliding window."""
        return self in (MemoryKind.SLIDING_WINDOW, MemoryKind.HYBRID_WINDOW)


_N_BYTES_CELLS_MOST = 32 << 20


@dataclass(frozen=True, slots=True)
class MemoryShape:
    """Traits and sizes of a model's memory: all that placement and retention know of the model.

    `n_bytes_cell` is what one token adds to the full-attention cells; `n_bytes_state` the largest size of the recurrent
    or window part of one checkpoint; `n_bytes_logits` the logits of one position. A stored run of cells takes
    `n_bytes_segment` in addition. Where an engine has several contexts, sizes are those of all of them together.
    """

    kind: MemoryTraits
    n_swa: int
    n_bytes_cell: int
    n_bytes_state: int
    n_bytes_logits: int
    n_bytes_segment: int = 0

    @property
    def n_bytes_cells_most(self) -> int:
        """Cells that are copied in one call at most: so many that the state, which comes along, hardly adds to it."""
        return max(_N_BYTES_CELLS_MOST, 2 * self.n_bytes_state)
