"""The sizes of a context and of the tiers."""

from dataclasses import dataclass, replace
from typing import Final

from segue.fit.asked import Asked
from segue.fit.figures import ContextFigures

N_SEQ_MOST: Final = 256
N_PARKED_MOST: Final = 64
MIB: Final = 1 << 20
_N_CELLS_STEP = 256
_IDLE_SHARE = 0.02
_CELL_COST = 8
"""A byte of an attention cell takes about as long as this many bytes of weights, measured on a CPU."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """`n_ctx`: the most tokens of one request; `n_cells`: attention cells in all; `n_parked`: parked sequences.

    `n_seq_max`: sequences in all. `n_idle_cells`: cells that idle parked paths may keep, limited so that they cost at
    most 5 % of decoding speed. `n_host_bytes`: the host tier. Without shared cells, `n_cells` are those of each slot.
    """

    n_ctx: int
    n_cells: int
    n_parked: int
    n_seq_max: int
    n_idle_cells: int = 0
    n_host_bytes: int = 0

    def with_host(self, rest: int, host_mib: int | None) -> "Sizes":
        """The same with a host tier: of `rest` bytes by default a quarter, with -1 nearly all, else what was asked."""
        rest = max(0, rest)
        n_bytes = rest // 4 if host_mib is None else rest * 9 // 10 if host_mib < 0 else host_mib * MIB
        return replace(self, n_host_bytes=n_bytes)


def n_seq_max(asked: Asked, n_parked: int) -> int:
    """Sequences in all: one for each slot, and where they share cells, one for copies, and parked and shadow ones."""
    return asked.n_slots + (1 + n_parked + asked.n_shadows if asked.is_unified else 0)


def n_parked_most(asked: Asked) -> int:
    """How many sequences may be parked at most."""
    return max(0, min(N_PARKED_MOST, N_SEQ_MOST - asked.n_slots - asked.n_shadows - 1)) if asked.is_unified else 0


def n_parked_in(n_bytes: int, n_most: int, figures: ContextFigures) -> tuple[int, int]:
    """The parked sequences and the cells that a budget pays for: half of it may go to states."""
    n_for_states = n_bytes // 2 if figures.n_bytes_cell else n_bytes
    n_parked = int(min(n_most, n_for_states // figures.n_bytes_state)) if figures.n_bytes_state else n_most
    return n_parked, n_cells_in(n_bytes, n_parked, figures)


def n_cells_in(n_bytes: int, n_parked: int, figures: ContextFigures) -> int:
    """The cells that a budget pays for, beside the states of `n_parked` sequences."""
    if not figures.n_bytes_cell:
        return 0
    return int(max(0, n_bytes - n_parked * figures.n_bytes_state) // figures.n_bytes_cell)


def n_idle_cells(active_bytes: int, figures: ContextFigures) -> int:
    """The cells that idle paths may keep: reading them takes hardly longer than the weights that one token uses."""
    return int(_IDLE_SHARE * active_bytes / _CELL_COST / max(1, figures.n_bytes_cell))


def useful_cells(n_cells: int, n_ctx: int, asked: Asked, n_idle: int) -> int:
    """Of cells beyond the context, those of use: the path used last and the idle ones keep no more."""
    return min(n_cells, min(n_ctx, asked.n_ctx_most) + n_idle)


def rounded(n_cells: int) -> int:
    """As many cells, as libllama counts them."""
    return -(-n_cells // _N_CELLS_STEP) * _N_CELLS_STEP
