"""Sizes where the whole model lies in host memory."""

from segue.fit.buffers import HOST
from segue.fit.choice import FitChoice
from segue.fit.demand import Demand
from segue.fit.errors import FitError
from segue.fit.placement import Placement
from segue.fit.sizes import (
    Sizes,
    n_cells_in,
    n_idle_cells,
    n_parked_in,
    n_parked_most,
    n_seq_max,
    rounded,
    useful_cells,
)

_DEFAULT_PARKED_BYTES = 1 << 30
_N_PARKED_LEAST = 4
_N_CTX_LEAST = 256


def choose_on_host(demand: Demand) -> FitChoice:
    """Choose sizes for the free host memory; raises FitError if what was asked for does not fit.

    By default the context takes up to half of what is free beside the weights.
    """
    asked, figures = demand.asked, demand.figures
    placement = Placement(demand.layout.n_layers)
    demand.buffers.measure(placement)
    free, spare = _free(demand)
    n_parked, n_extra = _parked(demand, free)
    n_seq = n_seq_max(asked, n_parked)
    has_cells = figures.n_bytes_cell > 0
    per_cell = figures.n_bytes_cell * demand.n_streams

    n_asked = min(asked.n_ctx, asked.n_slots * asked.n_ctx_most if asked.is_unified and has_cells else asked.n_ctx_most)
    n_idle = n_idle_cells(demand.layout.active_bytes, figures)
    n_extra = useful_cells(n_extra, n_asked or asked.n_ctx_train, asked, n_idle)

    def n_fitting(n_bytes: float) -> int:
        left = n_bytes - n_seq * figures.n_bytes_state - _once(demand) - n_extra * figures.n_bytes_cell
        least = n_asked or asked.n_ctx_train
        if not has_cells:
            return least if left > demand.buffers.at(HOST, least, n_seq) else 0
        fixed, large = (demand.buffers.at(HOST, n_extra + n_cells, n_seq) for n_cells in (0, 1 << 20))
        return int(max(0, left - fixed) // (per_cell + (large - fixed) / (1 << 20)))

    n_fits = n_fitting(free)
    n_least = n_asked or min(asked.n_ctx_train, _N_CTX_LEAST)
    if n_fits < (rounded(n_least + n_extra) - n_extra if has_cells else n_least):
        raise FitError(_refusal(demand, n_asked, n_extra, n_parked, n_fits, free))
    n_ctx = n_asked or asked.n_ctx_train
    if not n_asked and has_cells:
        n_ctx = min(asked.n_ctx_train, max(_N_CTX_LEAST, n_fitting(spare) // 2))
    n_cells = n_ctx + useful_cells(n_extra, n_ctx, asked, n_idle)
    sizes = Sizes(min(n_ctx, asked.n_ctx_most), n_cells, n_parked, n_seq, n_idle)
    usages = demand.usages(placement, n_cells, n_seq)
    rest = spare - (usages[-1].used - usages[-1].weights)
    return FitChoice(placement, sizes.with_host(rest, asked.host_mib), usages, demand.reread(usages))


def _free(demand: Demand) -> tuple[int, int]:
    """The bytes that a context that was asked for may take, and those of them that no weights need as well.

    Mapped weights can leave memory, so they refuse no context; but it is best to leave room for them.
    """
    host = demand.host
    weights = demand.usages(Placement(demand.layout.n_layers), 0, 0)[-1].weights
    is_counted = host.maps_weights or host.are_weights_loaded
    free = host.free_bytes - (0 if is_counted else weights)
    spare = free - (weights if host.maps_weights else 0)
    return free, max(spare, free // 4)


def _parked(demand: Demand, free: int) -> tuple[int, int]:
    asked, figures = demand.asked, demand.figures
    n_most = n_parked_most(asked)
    if asked.parked_mib == 0 or not n_most:
        return 0, 0
    usual = min(max(0, free) // 8, _DEFAULT_PARKED_BYTES)
    n_bytes = usual if asked.parked_bytes is None else asked.parked_bytes
    n_parked, n_cells = n_parked_in(n_bytes, n_most, figures)
    if asked.parked_mib is None and n_parked < _N_PARKED_LEAST:
        n_parked = min(_N_PARKED_LEAST, n_most)
        n_cells = n_cells_in(n_bytes, n_parked, figures)
    return n_parked, n_cells


def _once(demand: Demand) -> float:
    """What is taken once, whatever the sizes."""
    return demand.figures.n_bytes_batch + demand.asked.n_bytes_history


def _refusal(demand: Demand, n_asked: int, n_extra: int, n_parked: int, n_fits: int, free: int) -> str:
    asked, figures = demand.asked, demand.figures
    n_tokens = n_asked or asked.n_ctx_train
    n_seq = n_seq_max(asked, n_parked)
    need = n_tokens * figures.n_bytes_cell * demand.n_streams + n_extra * figures.n_bytes_cell
    need += n_seq * figures.n_bytes_state + _once(demand) + demand.buffers.at(HOST, n_tokens, n_seq)
    ways = [f"--ctx-size {min(n_fits // 2, asked.n_ctx_most)}"] if n_fits >= _N_CTX_LEAST else []
    ways += ["fewer --parallel"] if asked.n_slots > 1 else []
    ways += ["a smaller --cache-parked"] if n_parked else []
    return (
        f"a context of {n_tokens} tokens needs {need / 2**30:.1f} GiB for {asked.n_slots} slots with {n_parked} parked "
        f"checkpoints, and {max(0, free) / 2**30:.1f} GiB are free; try {' or '.join(ways) or 'a smaller model'}"
    )
