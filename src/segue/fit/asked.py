"""The settings of the user that decide what fits."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The settings that decide on placement and sizes; 0, None or nothing where the choice is left to the server.

    `n_ctx` counts the tokens that all slots share, `n_ctx_most` those of one request at most, and `n_ctx_least` those
    that a context keeps while the model is made to fit. `n_on_devices` counts layers as `--n-gpu-layers` does.
    `n_shadows` sequences are what drafts roll back to. A second model that drafts takes `n_bytes_cell_drafts` for each
    cell, and `n_bytes_drafts` besides; what drafts are looked up in takes `n_bytes_history` of the host's memory.
    `overrides` are names of tensors with that of the device for them, of which the first counts; other devices mean
    host memory.
    """

    n_slots: int
    n_ctx_train: int
    n_ctx_most: int
    n_ctx: int = 0
    n_ctx_least: int = 4096
    n_shadows: int = 0
    n_bytes_cell_drafts: float = 0.0
    n_bytes_drafts: int = 0
    n_bytes_history: int = 0
    parked_mib: int | None = None
    host_mib: int | None = None
    is_fitted: bool = True
    is_unified: bool = True
    is_kv_offloaded: bool = True
    n_on_devices: int | None = None
    shares: tuple[float, ...] = ()
    overrides: tuple[tuple[frozenset[str], str], ...] = ()

    @property
    def is_placed(self) -> bool:
        """Whether the user has placed the model, so that only sizes are left to choose."""
        return not self.is_fitted or self.n_on_devices is not None or bool(self.shares) or bool(self.overrides)

    @property
    def parked_bytes(self) -> int | None:
        """The bytes that parked checkpoints may take; None if that is left to the server."""
        return None if self.parked_mib is None else self.parked_mib << 20

    @property
    def parks_freely(self) -> bool:
        """Whether the server chooses what is parked."""
        return self.is_unified and self.parked_mib is None
