"""Finds placements that fit."""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace

from segue.fit.demand import Demand
from segue.fit.placement import Placement, by_shares

Place = Callable[[int, int], Placement | None]
"""A placement in which so many cells and sequences fit, or None."""


class Places:
    """Placements on the devices of a demand, by what they leave to the host."""

    def __init__(self, demand: Demand) -> None:
        self._demand = demand
        self._n_layers = demand.layout.n_layers

    def usual(self) -> Placement:
        """As the user asked, else the whole model on the devices, split as libllama does: by what is free."""
        demand, asked = self._demand, self._demand.asked
        n_most = self._n_layers + 1
        n_on = n_most if asked.n_on_devices is None else min(asked.n_on_devices, n_most)
        shares = asked.shares[: len(demand.devices)]
        if not any(shares):
            shares = tuple(float(device.free_bytes or 1) for device in demand.devices)
        return by_shares(self._n_layers, n_on, shares + (0.0,) * (len(demand.devices) - len(shares)))

    def as_asked(self, n_cells: int, n_seq: int) -> Placement | None:
        """The usual placement, if it fits."""
        usual = self.usual()
        return usual if self._demand.fits(usual, n_cells, n_seq) else None

    def whole(self, n_cells: int, n_seq: int, n_host_experts: int = 0) -> Placement | None:
        """All layers on devices, apart from some experts: split as usual, or else filled from the last device on."""
        usual = replace(self.usual(), n_host_experts=n_host_experts)
        if self._demand.fits(usual, n_cells, n_seq):
            return usual
        filled = self.filled(n_cells, n_seq, n_host_experts)
        is_whole = filled.n_on_devices > self._n_layers
        return filled if is_whole and self._demand.fits(filled, n_cells, n_seq) else None

    def filled(self, n_cells: int, n_seq: int, n_host_experts: int) -> Placement:
        """As many layers as fit, the last ones first, from the last device on."""
        demand, counts = self._demand, [0] * len(self._demand.devices)
        layer = self._n_layers
        for device in reversed(range(len(counts))):
            memory = demand.devices[device]
            left: float = (
                memory.budget_bytes - demand.fixed(memory.name) - demand.buffers.at(memory.name, n_cells, n_seq)
            )
            while layer >= 0:
                left -= demand.layer_weights(layer, has_experts=layer >= n_host_experts)
                left -= demand.layer_memory(layer, n_cells, n_seq) if demand.asked.is_kv_offloaded else 0
                if left < 0 and memory.is_known:
                    break
                counts[device] += 1
                layer -= 1
        return Placement(self._n_layers, tuple(counts), n_host_experts)

    def with_host_experts(self, n_cells: int, n_seq: int) -> int | None:
        """The fewest layers whose experts must leave the devices so that all else fits; None if that is not enough."""
        counts = range(1, self._n_layers + 1)
        found = bisect_left(counts, True, key=lambda n: self.whole(n_cells, n_seq, n) is not None)
        return counts[found] if found < len(counts) else None
