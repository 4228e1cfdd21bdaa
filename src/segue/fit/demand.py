"""The bytes that a model and its context take of each memory, for any placement and sizes."""

from collections.abc import Sequence
from dataclasses import dataclass

from segue.fit.asked import Asked
from segue.fit.buffers import HOST, Buffers, ComputeBuffers
from segue.fit.figures import NOTHING, ContextFigures, LayerMemory
from segue.fit.layout import ModelLayout
from segue.fit.memory_devices import DeviceMemory, HostMemory
from segue.fit.placement import Placement
from segue.fit.sizes import rounded
from segue.fit.usage import MemoryUsage


@dataclass(slots=True)
class _Weights:
    """The bytes of one layer that follow it, and those that lie elsewhere by the user's word."""

    rest: int = 0
    experts: int = 0


class Demand:
    """Adds up what lies where.

    Its `buffers` must have been measured for a placement like the one that is asked about.
    """

    def __init__(
        self,
        devices: Sequence[DeviceMemory],
        host: HostMemory,
        layout: ModelLayout,
        figures: ContextFigures,
        asked: Asked,
        compute: ComputeBuffers,
    ) -> None:
        self.devices = devices
        self.host = host
        self.layout = layout
        self.figures = _with_drafts(figures, asked)
        self.asked = asked
        self._last = len(figures.layers) - 1
        self._layers = [_Weights() for _ in range(layout.n_layers + 1)]
        self._input = 0
        self._fixed = dict.fromkeys((device.name for device in devices), 0) | {HOST: 0}
        self.buffers = Buffers([device.name for device in devices], figures, asked, compute)
        self._add_weights()

    def _add_weights(self) -> None:
        for tensor in self.layout.loaded:
            place = next((name for tensors, name in self.asked.overrides if tensor.name in tensors), None)
            layer = self._layers[-1 if tensor.layer is None else tensor.layer]
            if place is not None:
                self._fixed[place if place in self._fixed else HOST] += tensor.n_bytes
            elif tensor.is_input:
                self._input += tensor.n_bytes
            elif tensor.is_expert:
                layer.experts += tensor.n_bytes
            else:
                layer.rest += tensor.n_bytes

    def layer_weights(self, layer: int, *, has_experts: bool = True) -> int:
        """The weights that a device takes with a layer."""
        weights = self._layers[layer]
        return weights.rest + (weights.experts if has_experts else 0)

    def layer_memory(self, layer: int, n_cells: int, n_seq: int) -> float:
        """The cells and states that lie with a layer, and with the last one those of drafts."""
        memory = self._memory(layer) + (self.figures.drafts if layer == self._last else NOTHING)
        return (
            memory.n_bytes_cell * rounded(n_cells) * self.n_streams
            + memory.n_bytes_state * n_seq
            + memory.n_bytes_batch
        )

    @property
    def n_streams(self) -> int:
        """How many times the cells of a context exist."""
        return 1 if self.asked.is_unified else self.asked.n_slots

    def fixed(self, name: str) -> int:
        """The weights that lie on a device, or on the host, by the user's word."""
        return self._fixed[name]

    def fits(self, placement: Placement, n_cells: int, n_seq: int) -> bool:
        """Whether it fits on every device, and what must lie on the host there."""
        usages = self.usages(placement, n_cells, n_seq)
        host = usages[-1]
        known = [u for u, d in zip(usages, self.devices, strict=False) if d.is_known]
        needed = host.used - (host.weights if self.host.maps_weights or self.host.are_weights_loaded else 0)
        return all(usage.left >= 0 for usage in known) and needed + self._shared(usages) <= self.host.free_bytes

    def usages(self, placement: Placement, n_cells: int, n_seq: int) -> tuple[MemoryUsage, ...]:
        """The contents of each device, and of the host, which comes last."""
        names = [*(device.name for device in self.devices), HOST]
        n_layers, n_experts = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
        weights, cells, states = dict(self._fixed), dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
        draft_cells, draft_buffers = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
        weights[HOST] += self._input
        draft_buffers[HOST] += self.asked.n_bytes_history
        for layer, layer_weights in enumerate(self._layers):
            device = placement.device(layer)
            name = HOST if device is None else names[device]
            with_memory = name if self.asked.is_kv_offloaded else HOST
            memory = self._memory(layer)
            has_host_experts = device is None or layer < placement.n_host_experts
            is_output = layer == self.layout.n_layers
            if not (is_output and name == HOST and self.layout.is_tied):
                weights[name] += layer_weights.rest
            weights[HOST if has_host_experts else name] += layer_weights.experts
            cells[with_memory] += memory.n_bytes_cell * rounded(n_cells) * self.n_streams
            states[with_memory] += memory.n_bytes_state * n_seq + memory.n_bytes_batch
            if layer == self._last:
                draft_cells[with_memory] += self.figures.drafts.n_bytes_cell * rounded(n_cells) * self.n_streams
                draft_buffers[with_memory] += self.figures.drafts.n_bytes_batch
            n_layers[name] += not is_output
            n_experts[name] += bool(layer_weights.experts) and not has_host_experts
        memories = [*((d.free_bytes, d.target_bytes) for d in self.devices), (self.host.free_bytes, 0)]
        return tuple(
            MemoryUsage(
                name=name,
                free_bytes=free,
                target_bytes=target,
                n_layers=n_layers[name],
                n_experts=n_experts[name],
                weights=weights[name],
                cells=int(cells[name]),
                states=int(states[name]),
                compute=self.buffers.at(name, n_cells, n_seq),
                draft_cells=int(draft_cells[name]),
                draft_buffers=int(draft_buffers[name]),
            )
            for name, (free, target) in zip(names, memories, strict=True)
        )

    def spare_host(self, usages: Sequence[MemoryUsage]) -> int:
        """The rest of the host's memory for its tier, with room for mapped weights, if there can be."""
        host = usages[-1]
        is_counted = self.host.are_weights_loaded and not self.host.maps_weights
        left = self.host.free_bytes - self._shared(usages) - (host.used - host.weights)
        return max(left - (0 if is_counted else host.weights), left // 4)

    def reread(self, usages: Sequence[MemoryUsage]) -> int:
        """The mapped weights for which the host's memory has no room."""
        host = usages[-1]
        missing = host.used + self._shared(usages) - self.host.free_bytes
        return min(host.weights, max(0, missing)) if self.host.maps_weights else 0

    def _shared(self, usages: Sequence[MemoryUsage]) -> int:
        """The bytes that lie in the host's memory, but on devices that share it."""
        return sum(usage.used for usage, device in zip(usages, self.devices, strict=False) if device.is_shared)

    def _memory(self, layer: int) -> LayerMemory:
        return self.figures.layers[layer] if layer <= self._last else NOTHING


def _with_drafts(figures: ContextFigures, asked: Asked) -> ContextFigures:
    """The same with a second model that drafts; beside a memory without cells it has one for each token."""
    n_bytes_cell, n_bytes = asked.n_bytes_cell_drafts, asked.n_bytes_drafts
    if not figures.n_bytes_cell:
        n_bytes += int(n_bytes_cell * rounded(asked.n_ctx or asked.n_ctx_train))
        n_bytes_cell = 0.0
    return figures.with_drafts(n_bytes_cell, n_bytes)
