"""The contents of one memory, and the bytes that they take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUsage:
    """The bytes of a model and its context in one memory, of which `free_bytes` were free before.

    `target_bytes` of it shall stay free. What drafts has `draft_cells` of its own, and other `draft_buffers`.
    """

    name: str
    free_bytes: int
    target_bytes: int = 0
    n_layers: int = 0
    n_experts: int = 0
    weights: int = 0
    cells: int = 0
    states: int = 0
    compute: int = 0
    draft_cells: int = 0
    draft_buffers: int = 0

    @property
    def used(self) -> int:
        """All of it."""
        return self.weights + self.cells + self.states + self.compute + self.drafts

    @property
    def drafts(self) -> int:
        """What drafting takes."""
        return self.draft_cells + self.draft_buffers

    @property
    def left(self) -> int:
        """The bytes that stay free beyond the target; negative by how much it does not fit."""
        return self.free_bytes - self.target_bytes - self.used
