"""Says by how much something does not fit, and what to do."""

from segue.fit.demand import Demand
from segue.fit.places import Places
from segue.fit.sizes import Sizes

_N_CTX_LEAST = 256
_HOST = "the host"


def refusal(demand: Demand, places: Places, sizes: Sizes) -> str:
    """One line on sizes that do not fit."""
    asked = demand.asked
    placement = places.usual()
    if not asked.is_placed:
        n_host_experts = demand.layout.n_layers if demand.layout.has_experts else 0
        placement = places.filled(sizes.n_cells, sizes.n_seq_max, n_host_experts)
    *devices, host = demand.usages(placement, sizes.n_cells, sizes.n_seq_max)
    short = min(devices, key=lambda usage: usage.left)
    name, missing = short.name, -short.left
    if missing <= 0:
        name, missing = _HOST, host.used - (host.weights if demand.host.maps_weights else 0) - host.free_bytes
    n_fits = _n_fitting(demand, places, sizes)
    ways = [f"--ctx-size {n_fits}"] if n_fits >= _N_CTX_LEAST else []
    ways += ["fewer --parallel"] if asked.n_slots > 1 else []
    ways += ["a smaller --cache-parked"] if asked.parked_mib else []
    ways += ["fewer --n-gpu-layers"] if asked.is_placed and placement.n_on_devices else []
    ways += ["--device none"] if not asked.is_placed and name != _HOST else []
    ways += ["a smaller --fit-target"] if short.target_bytes and missing <= short.target_bytes else []
    return (
        f"a context of {sizes.n_cells} cells with {asked.n_slots} slots and {sizes.n_parked} parked checkpoints needs "
        f"{_size(max(0, missing))} more than {name} has for it; try {' or '.join(ways) or 'a smaller model'}"
    )


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.1f} GiB" if n_bytes >= 2**30 else f"{-(-n_bytes // 2**20)} MiB"


def _n_fitting(demand: Demand, places: Places, sizes: Sizes) -> int:
    """The largest context that would fit instead, a multiple of the least one."""
    low, high = 0, sizes.n_cells // _N_CTX_LEAST
    while high - low > 1:
        middle = (low + high) // 2
        n_cells = middle * _N_CTX_LEAST
        if demand.asked.is_placed:
            fits = places.as_asked(n_cells, sizes.n_seq_max) is not None
        else:
            n_host_experts = demand.layout.n_layers if demand.layout.has_experts else 0
            filled = places.filled(n_cells, sizes.n_seq_max, n_host_experts)
            fits = demand.fits(filled, n_cells, sizes.n_seq_max)
        low, high = (middle, high) if fits else (low, middle)
    return low * _N_CTX_LEAST
