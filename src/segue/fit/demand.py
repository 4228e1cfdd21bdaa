"""What a model and its context take of each memory, for any placement and sizes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from segue.fit.asked import Asked
from segue.fit.figures import ContextFigures, LayerMemory
from segue.fit.layout import ModelLayout
from segue.fit.memory_devices import DeviceMemory, HostMemory
from segue.fit.placement import Placement, matches
from segue.fit.sizes import rounded
from segue.fit.usage import MemoryUsage

HOST: Final = "host"
N_CELLS_MEASURED: Final = (1 << 14, 1 << 17)
"""Sizes of contexts between which buffers for computing grow evenly."""
_N_SEQ_MOST = 256
_N_SEQ_LEAST = 8
_N_SEQ_MORE = 16
_STATES_TRIED_BYTES = 256 << 20
ComputeBuffers = Callable[[Placement, int, int], Mapping[str, int]]
"""The buffers for computing with a placement, so many cells and sequences, by device; other names are the host's."""


@dataclass(slots=True)
class _Weights:
    """The bytes of one layer that follow it, and those that lie elsewhere by the user's word."""

    rest: int = 0
    experts: int = 0


@dataclass(slots=True)
class _Buffers:
    """Buffers for computing on one device, as measured at two sizes."""

    base: float = 0.0
    per_cell: float = 0.0
    per_seq: float = 0.0
    missed: int = 0
    """What larger contexts have shown to come on top."""

    def at(self, n_cells: int, n_seq: int) -> int:
        return max(0, int(self.base + self.per_cell * n_cells + self.per_seq * n_seq)) + self.missed


class Demand:
    """Adds up what lies where. `measure` must have been called for a placement like the one that is asked about."""

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
        self.figures = figures
        self.asked = asked
        self._compute = compute
        self._layers = [_Weights() for _ in range(layout.n_layers + 1)]
        self._input = 0
        self._fixed = dict.fromkeys((device.name for device in devices), 0) | {HOST: 0}
        self._buffers = {name: _Buffers() for name in self._fixed}
        self._add_weights()

    def _add_weights(self) -> None:
        for tensor in self.layout.loaded:
            place = next((name for pattern, name in self.asked.overrides if matches(pattern, tensor.name)), None)
            layer = self._layers[-1 if tensor.layer is None else tensor.layer]
            if place is not None:
                self._fixed[place if place in self._fixed else HOST] += tensor.n_bytes
            elif tensor.is_input:
                self._input += tensor.n_bytes
            elif tensor.is_expert:
                layer.experts += tensor.n_bytes
            else:
                layer.rest += tensor.n_bytes

    def measure(self, placement: Placement) -> None:
        """Measure the buffers for computing with a placement, at two sizes and two numbers of sequences."""
        n_seq = min(self.asked.n_slots + 1, self._n_seq_tried)
        least, most = N_CELLS_MEASURED
        low, high = (self._by_place(self._compute(placement, n_cells, n_seq)) for n_cells in N_CELLS_MEASURED)
        n_more = min(_N_SEQ_MORE, self._n_seq_tried - n_seq)
        many = self._by_place(self._compute(placement, least, n_seq + n_more)) if n_more else low
        for name, buffers in self._buffers.items():
            buffers.per_cell = max(0.0, (high[name] - low[name]) / (most - least))
            buffers.per_seq = max(0.0, (many[name] - low[name]) / n_more) if n_more else self._per_seq(placement, name)
            buffers.base = low[name] - buffers.per_cell * least - buffers.per_seq * n_seq

    def correct(self, placement: Placement, n_cells: int, n_seq: int) -> None:
        """Measure the buffers again at the sizes that were chosen, and count what they are larger."""
        n_seq = min(n_seq, self._n_seq_tried)
        for name, n_bytes in self._by_place(self._compute(placement, n_cells, n_seq)).items():
            self._buffers[name].missed += max(0, n_bytes - self.compute(name, n_cells, n_seq))

    @property
    def _n_seq_tried(self) -> int:
        """The most sequences of a trial, which allocates recurrent states."""
        if not self.figures.n_bytes_recurrent:
            return _N_SEQ_MOST
        # Host memory takes long to allocate, and buffers there are not what decides.
        if not self.devices or not self.asked.is_kv_offloaded:
            return 1
        n_small = int(_STATES_TRIED_BYTES // max(1, self.figures.n_bytes_state))
        return min(_N_SEQ_MOST, max(n_small, min(self.asked.n_slots + 1, _N_SEQ_LEAST)))

    def compute(self, name: str, n_cells: int, n_seq: int) -> int:
        """The buffers for computing on a device, or the host."""
        return self._buffers[name].at(n_cells, n_seq)

    def _per_seq(self, placement: Placement, name: str) -> int:
        """What one more sequence adds where that is not tried: three copies of a layer's state, and a row of logits."""
        names = [device.name for device in self.devices]
        held = {
            HOST if device is None else names[device] for device in map(placement.device, range(placement.n_layers))
        }
        last = placement.device(placement.n_layers)
        has_row = name == HOST or (last is not None and name == names[last])
        states = 3 * self.figures.n_bytes_recurrent if name in held else 0
        return states + (self.figures.n_bytes_row if has_row else 0)

    def layer_weights(self, layer: int, *, has_experts: bool = True) -> int:
        """The weights that a device takes with a layer."""
        weights = self._layers[layer]
        return weights.rest + (weights.experts if has_experts else 0)

    def layer_memory(self, layer: int, n_cells: int, n_seq: int) -> float:
        """The cells and states that lie with a layer."""
        memory = self._memory(layer)
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
        """What lies on each device, and on the host, which comes last."""
        names = [*(device.name for device in self.devices), HOST]
        n_layers, n_experts = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
        weights, cells, states = dict(self._fixed), dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
        weights[HOST] += self._input
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
                compute=self.compute(name, n_cells, n_seq),
            )
            for name, (free, target) in zip(names, memories, strict=True)
        )

    def spare_host(self, usages: Sequence[MemoryUsage]) -> int:
        """What is left of the host's memory for its tier, with room for mapped weights, if there can be."""
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
        """What lies in the host's memory, but on devices that share it."""
        return sum(usage.used for usage, device in zip(usages, self.devices, strict=False) if device.is_shared)

    def _memory(self, layer: int) -> LayerMemory:
        return self.figures.layers[layer] if layer < len(self.figures.layers) else LayerMemory()

    def _by_place(self, sizes: Mapping[str, int]) -> dict[str, int]:
        places = dict.fromkeys(self._fixed, 0)
        for name, n_bytes in sizes.items():
            places[name if name in places else HOST] += n_bytes
        return places
