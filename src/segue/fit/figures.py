"""The memory that a model's layers take in a context."""

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True)
class LayerMemory:
    """The memory that one layer takes on the device that holds it.

    `n_bytes_cell` for each attention cell, `n_bytes_state` for each sequence (recurrent state or window), and
    `n_bytes_batch` once, for the tokens of one physical batch beside the windows.
    """

    n_bytes_cell: float = 0.0
    n_bytes_state: float = 0.0
    n_bytes_batch: float = 0.0

    def __add__(self, other: "LayerMemory") -> "LayerMemory":
        return LayerMemory(
            self.n_bytes_cell + other.n_bytes_cell,
            self.n_bytes_state + other.n_bytes_state,
            self.n_bytes_batch + other.n_bytes_batch,
        )


NOTHING: Final = LayerMemory()


@dataclass(frozen=True, slots=True)
class ContextFigures:
    """The memory that a context takes: that of each layer, and `n_bytes_row` for each row of logits.

    `n_bytes_recurrent` is the recurrent state of one sequence in one layer, which buffers for computing hold as well.
    `drafts` is what another context takes that drafts; it lies with the last layer.
    """

    layers: tuple[LayerMemory, ...]
    n_bytes_row: int = 0
    n_bytes_recurrent: int = 0
    drafts: LayerMemory = NOTHING

    def with_drafts(self, n_bytes_cell: float, n_bytes: int) -> "ContextFigures":
        """The same with a further context that drafts, which takes so much for each cell, and `n_bytes` besides."""
        return replace(self, drafts=self.drafts + LayerMemory(n_bytes_cell, 0.0, n_bytes))

    @property
    def n_bytes_cell(self) -> float:
        """One cell in all layers."""
        return sum(layer.n_bytes_cell for layer in self.layers) + self.drafts.n_bytes_cell

    @property
    def n_bytes_state(self) -> float:
        """The states of one sequence in all layers."""
        return sum(layer.n_bytes_state for layer in self.layers)

    @property
    def n_bytes_batch(self) -> float:
        """The bytes that are taken once: for the tokens of one physical batch beside the windows, and for drafts."""
        return sum(layer.n_bytes_batch for layer in self.layers) + self.drafts.n_bytes_batch
