"""The buffers for computing, which depend on the placement, the cells and the sequences."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from segue.fit.asked import Asked
from segue.fit.figures import ContextFigures
from segue.fit.placement import Placement

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
class _Line:
    """The buffers of one device as measured, between the sizes that were tried and beyond."""

    base: float = 0.0
    per_cell: float = 0.0
    per_seq: float = 0.0
    missed: int = 0
    """What the sizes that were chosen have shown to come on top."""

    def at(self, n_cells: int, n_seq: int) -> int:
        return max(0, int(self.base + self.per_cell * n_cells + self.per_seq * n_seq)) + self.missed


class Buffers:
    """Measures the buffers in a few trials, and tells them for any sizes."""

    def __init__(self, devices: Sequence[str], figures: ContextFigures, asked: Asked, compute: ComputeBuffers) -> None:
        self._devices = devices
        self._figures = figures
        self._asked = asked
        self._compute = compute
        self._lines = {name: _Line() for name in (*devices, HOST)}

    def at(self, name: str, n_cells: int, n_seq: int) -> int:
        """The buffers on a device, or the host."""
        return self._lines[name].at(n_cells, n_seq)

    def measure(self, placement: Placement) -> None:
        """Measure with a placement, at two sizes and two numbers of sequences."""
        n_seq = min(self._asked.n_slots + 1, self._n_seq_tried)
        least, most = N_CELLS_MEASURED
        low, high = (self._try(placement, n_cells, n_seq) for n_cells in N_CELLS_MEASURED)
        n_more = min(_N_SEQ_MORE, self._n_seq_tried - n_seq)
        many = self._try(placement, least, n_seq + n_more) if n_more else low
        for name, line in self._lines.items():
            line.per_cell = max(0.0, (high[name] - low[name]) / (most - least))
            line.per_seq = max(0.0, (many[name] - low[name]) / n_more) if n_more else self._per_seq(placement, name)
            line.base = low[name] - line.per_cell * least - line.per_seq * n_seq

    def correct(self, placement: Placement, n_cells: int, n_seq: int) -> None:
        """Measure again at the sizes that were chosen, and count what is larger there."""
        n_seq = min(n_seq, self._n_seq_tried)
        for name, n_bytes in self._try(placement, n_cells, n_seq).items():
            self._lines[name].missed += max(0, n_bytes - self.at(name, n_cells, n_seq))

    @property
    def _n_seq_tried(self) -> int:
        """The most sequences of a trial, which allocates recurrent states."""
        if not self._figures.n_bytes_recurrent:
            return _N_SEQ_MOST
        # Host memory takes long to allocate, and buffers there are not what decides.
        if not self._devices or not self._asked.is_kv_offloaded:
            return 1
        n_small = int(_STATES_TRIED_BYTES // max(1, self._figures.n_bytes_state))
        return min(_N_SEQ_MOST, max(n_small, min(self._asked.n_slots + 1, _N_SEQ_LEAST)))

    def _per_seq(self, placement: Placement, name: str) -> int:
        """The bytes of one more sequence, where not tried: three copies of a layer's state, and a row of logits."""
        names = (*self._devices, HOST)
        held = {names[-1 if place is None else place] for place in map(placement.device, range(placement.n_layers))}
        last = placement.device(placement.n_layers)
        has_row = name in (HOST, names[-1 if last is None else last])
        states = 3 * self._figures.n_bytes_recurrent if name in held else 0
        return states + (self._figures.n_bytes_row if has_row else 0)

    def _try(self, placement: Placement, n_cells: int, n_seq: int) -> dict[str, int]:
        places = dict.fromkeys(self._lines, 0)
        for name, n_bytes in self._compute(placement, n_cells, n_seq).items():
            places[name if name in places else HOST] += n_bytes
        return places
