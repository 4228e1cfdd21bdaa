"""What kind of memory a model has, which decides what a checkpoint of it can restore."""

from dataclasses import dataclass
from enum import StrEnum


class MemoryKind(StrEnum):
    """The kinds of memory that libllama models have."""

    ATTENTION = "attention"
    SLIDING_WINDOW = "sliding-window"
    RECURRENT = "recurrent"
    HYBRID = "hybrid"
    HYBRID_WINDOW = "hybrid-sliding-window"

    @property
    def has_cells(self) -> bool:
        """Whether full-attention cells exist, one a token, that sequences can share."""
        return self is not MemoryKind.RECURRENT

    @property
    def has_recurrent(self) -> bool:
        """Whether part of the state is overwritten by every token, so that no tail can be dropped."""
        return self in (MemoryKind.RECURRENT, MemoryKind.HYBRID, MemoryKind.HYBRID_WINDOW)

    @property
    def has_window(self) -> bool:
        """Whether some layers keep only the last `n_swa` tokens."""
        return self in (MemoryKind.SLIDING_WINDOW, MemoryKind.HYBRID_WINDOW)


_N_BYTES_CELLS_MOST = 32 << 20


@dataclass(frozen=True, slots=True)
class MemoryShape:
    """Kind and sizes of a model's memory: all that placement and retention know of the model.

    `n_bytes_cell` is what one token adds to the full-attention cells; `n_bytes_state` what the recurrent or
    window part of one checkpoint takes at its largest; `n_bytes_logits` the logits of one position. Stored, a run of
    cells takes `n_bytes_link` beside them.
    """

    kind: MemoryKind
    n_swa: int
    n_bytes_cell: int
    n_bytes_state: int
    n_bytes_logits: int
    n_bytes_link: int = 0

    @property
    def n_bytes_cells_most(self) -> int:
        """Cells that are copied in one call at most: so many that the state, which comes along, hardly adds to it."""
        return max(_N_BYTES_CELLS_MOST, 2 * self.n_bytes_state)
