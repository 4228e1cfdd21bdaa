"""Chooses the sizes of a server's context and tiers."""

from dataclasses import dataclass

from segue.engine.errors import ModelError
from segue.memory import MemoryShape

_N_SEQ_LIMIT = 256
_N_PARKED_MAX = 64
_N_PARKED_MIN = 4
_DEFAULT_PARKED_BYTES = 1 << 30
_MIB = 1 << 20
_N_CTX_MIN = 256
_IDLE_SHARE = 0.02
_CELL_COST = 8
"""A byte of an attention cell takes about as long as this many bytes of weights, measured on a CPU."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """`n_ctx`: the most tokens of one request; `n_cells`: attention cells in all; `n_parked`: parked sequences.

    `n_idle_cells`: cells that idle parked paths may keep, limited so that they cost at most 5 % of decoding speed.
    """

    n_ctx: int
    n_cells: int
    n_parked: int
    n_host_bytes: int
    n_idle_cells: int


def choose_sizes(
    shape: MemoryShape,
    *,
    n_ctx: int,
    n_ctx_train: int,
    n_ctx_most: int,
    n_slots: int,
    n_shadows: int = 0,
    parked_mib: int | None,
    host_mib: int | None,
    free_bytes: int,
    is_unified: bool,
    active_bytes: int,
) -> Sizes:
    """Choose sizes that fit into the free memory; explicitly requested sizes are kept or refused, never reduced.

    `n_ctx` 0 takes the model's training context, or less if that does not fit. A request never gets more than
    `n_ctx_most` tokens; the additional cells of a larger `n_ctx` are shared by the slots. For the sizes in MiB, None
    chooses a share of the free memory; `host_mib` -1 takes all of it. `active_bytes` counts the weights that one token
    uses. Raises ModelError if the context does not fit.
    """
    n_parked, n_extra = _parked(shape, n_slots + n_shadows, parked_mib, free_bytes) if is_unified else (0, 0)
    n_seq = n_slots + (1 + n_parked + n_shadows if is_unified else 0)
    n_bytes_cell = max(1, shape.n_bytes_cell) * (1 if is_unified else n_slots)
    # Cells are first joined in a separate buffer before they are loaded.
    free_bytes -= shape.n_bytes_cells_most + shape.n_bytes_state if is_unified and shape.kind.shares_cells else 0
    n_asked = n_ctx if is_unified and shape.kind.shares_cells else min(n_ctx, n_ctx_most)
    # More idle cells than this would only enlarge libllama's buffers for attention masks.
    n_extra = min(n_extra, 2 * (n_asked or n_ctx_train))
    left = free_bytes - n_seq * shape.n_bytes_state - n_extra * shape.n_bytes_cell
    n_fits = max(0, left) // n_bytes_cell if shape.kind.shares_cells else max(n_asked, n_ctx_train) if left > 0 else 0
    if n_asked > n_fits or n_fits == 0:
        n_tokens = n_asked or n_ctx_train
        need_gib = ((n_tokens + n_extra) * n_bytes_cell + n_seq * shape.n_bytes_state) / 2**30
        ways = [f"--ctx-size {min(n_fits // 2, n_ctx_most)}"] if n_fits >= _N_CTX_MIN else []
        ways += ["fewer --parallel"] if n_slots > 1 else []
        ways += ["a smaller --cache-parked"] if n_parked else []
        raise ModelError(
            f"a context of {n_tokens} tokens needs {need_gib:.1f} GiB for {n_slots} slots with {n_parked} parked "
            f"checkpoints, and {max(0, free_bytes) / 2**30:.1f} GiB are free; "
            f"try {' or '.join(ways) or 'a smaller model'}"
        )
    n_asked = n_asked or (min(n_ctx_train, max(_N_CTX_MIN, n_fits // 2)) if shape.kind.shares_cells else n_ctx_train)
    n_cells = n_asked + min(n_extra, 2 * n_asked)
    rest = max(0, free_bytes - n_cells * n_bytes_cell - n_seq * shape.n_bytes_state)
    n_host_bytes = rest // 4 if host_mib is None else rest * 9 // 10 if host_mib < 0 else host_mib * _MIB
    n_idle_cells = int(_IDLE_SHARE * active_bytes / _CELL_COST / max(1, shape.n_bytes_cell))
    return Sizes(min(n_asked, n_ctx_most), n_cells, n_parked, n_host_bytes, n_idle_cells)


def _parked(shape: MemoryShape, n_slots: int, parked_mib: int | None, free_bytes: int) -> tuple[int, int]:
    """The parked sequences and the cells for them: half of the budget may go to state parts."""
    n_bytes = min(free_bytes // 8, _DEFAULT_PARKED_BYTES) if parked_mib is None else parked_mib * _MIB
    n_max = min(_N_PARKED_MAX, _N_SEQ_LIMIT - n_slots - 1)
    n_for_states = n_bytes // 2 if shape.kind.shares_cells else n_bytes
    n_parked = min(n_max, n_for_states // shape.n_bytes_state) if shape.n_bytes_state else n_max
    if parked_mib is None:
        n_parked = max(_N_PARKED_MIN, n_parked)
    if parked_mib == 0:
        return 0, 0
    n_extra = max(0, n_bytes - n_parked * shape.n_bytes_state) // max(1, shape.n_bytes_cell)
    return n_parked, n_extra if shape.kind.shares_cells else 0
