"""Chooses where a model lies and how large its memory is, so that both fit into the devices and the host."""

from collections.abc import Sequence
from dataclasses import replace

from segue.fit.asked import Asked
from segue.fit.buffers import ComputeBuffers
from segue.fit.choice import FitChoice
from segue.fit.demand import Demand
from segue.fit.errors import FitError
from segue.fit.figures import ContextFigures
from segue.fit.growth import Growth
from segue.fit.layout import ModelLayout
from segue.fit.memory_devices import DeviceMemory, HostMemory
from segue.fit.on_host import choose_on_host
from segue.fit.placement import Placement
from segue.fit.places import Place, Places
from segue.fit.refusal import refusal
from segue.fit.sizes import Sizes, n_parked_in, n_parked_most

_N_TRIES = 4
_N_PARKED_BLIND = 4
"""Parked sequences on a device that does not tell what is free."""


def choose(
    devices: Sequence[DeviceMemory],
    host: HostMemory,
    layout: ModelLayout,
    figures: ContextFigures,
    asked: Asked,
    compute: ComputeBuffers,
) -> FitChoice:
    """Choose placement and sizes. Raises FitError where something that was asked for does not fit.

    The context that was asked for comes before anything parked, and what is left is shared. Where the model does not
    fit on the devices, a context size that the user did not set is reduced first, then experts go to the host, then
    layers.
    """
    demand = Demand(devices, host, layout, figures, asked, compute)
    if not devices:
        return choose_on_host(demand)
    blind = next((device.name for device in devices if not device.is_known), None)
    if blind and not asked.n_ctx:
        raise FitError(f"{blind} does not tell how much of its memory is free; say what it can hold with --ctx-size")
    places = Places(demand)
    sizes = _least(demand, is_blind=bool(blind))
    demand.buffers.measure(places.usual())
    for _ in range(_N_TRIES):
        choice = _choose(demand, places, sizes, is_blind=bool(blind))
        demand.buffers.correct(choice.placement, choice.sizes.n_cells, choice.sizes.n_seq_max)
        if not asked.is_fitted or demand.fits(choice.placement, choice.sizes.n_cells, choice.sizes.n_seq_max):
            break
    else:
        raise FitError(refusal(demand, places, sizes))
    return replace(choice, usages=demand.usages(choice.placement, choice.sizes.n_cells, choice.sizes.n_seq_max))


def _least(demand: Demand, *, is_blind: bool) -> Sizes:
    """The sizes that must fit: the context that was asked for, or the least one, and what shall be parked."""
    asked, figures = demand.asked, demand.figures
    has_shared_cells = bool(figures.n_bytes_cell) and asked.is_unified
    n_most = asked.n_slots * asked.n_ctx_most if has_shared_cells else asked.n_ctx_most
    least = asked.n_ctx_least if asked.is_fitted and figures.n_bytes_cell else asked.n_ctx_train
    n_ctx = min(asked.n_ctx, n_most) if asked.n_ctx else min(least, asked.n_ctx_train)
    n_parked = min(_N_PARKED_BLIND, n_parked_most(asked)) if asked.parks_freely and is_blind else 0
    if asked.parked_bytes:
        n_parked = n_parked_in(asked.parked_bytes, n_parked_most(asked), figures)[0]
    return Growth(lambda *_: None, demand).least(n_ctx, n_parked)


def _choose(demand: Demand, places: Places, sizes: Sizes, *, is_blind: bool) -> FitChoice:
    place, is_whole = _place(demand, places, sizes)
    if place is None:
        if demand.asked.is_fitted:
            raise FitError(refusal(demand, places, sizes))
        placement = places.usual()
    else:
        if not is_blind:
            sizes = Growth(place, demand).grown(sizes, is_whole=is_whole)
        placement = place(sizes.n_cells, sizes.n_seq_max) or places.usual()
    usages = demand.usages(placement, sizes.n_cells, sizes.n_seq_max)
    sizes = sizes.with_host(demand.spare_host(usages), demand.asked.host_mib)
    return FitChoice(placement, sizes, usages, demand.reread(usages))


def _place(demand: Demand, places: Places, sizes: Sizes) -> tuple[Place | None, bool]:
    """How to place the model so that these sizes fit, and whether all of it lies on devices; None if they never fit."""
    n_cells, n_seq = sizes.n_cells, sizes.n_seq_max
    if demand.asked.is_placed:
        place = places.as_asked if places.as_asked(n_cells, n_seq) else None
        return place, places.usual().n_on_devices > demand.layout.n_layers
    if places.whole(n_cells, n_seq):
        return places.whole, True
    n_host_experts = 0
    if demand.layout.has_experts:
        everything = replace(places.usual(), n_host_experts=demand.layout.n_layers)
        demand.buffers.measure(everything)
        found = places.with_host_experts(n_cells, n_seq)
        if found is not None:
            return lambda n_cells, n_seq: places.whole(n_cells, n_seq, found), False
        n_host_experts = demand.layout.n_layers
    n_on = places.filled(n_cells, n_seq, n_host_experts).n_on_devices

    def part(n_cells: int, n_seq: int) -> Placement | None:
        filled = places.filled(n_cells, n_seq, n_host_experts)
        return filled if filled.n_on_devices >= n_on and demand.fits(filled, n_cells, n_seq) else None

    return (part if part(n_cells, n_seq) else None), False
