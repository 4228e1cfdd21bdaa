"""The memories that a model can lie in: those of devices, and the host's."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """A device's memory. `free_bytes` is 0 if its driver does not tell; `target_bytes` shall stay free.

    That of a device that `is_shared` is the host's.
    """

    name: str
    free_bytes: int
    total_bytes: int
    target_bytes: int = 0
    is_shared: bool = False

    @property
    def is_known(self) -> bool:
        """Whether its driver tells how much is free."""
        return self.free_bytes > 0

    @property
    def budget_bytes(self) -> int:
        """The bytes that may be taken."""
        return max(0, self.free_bytes - self.target_bytes)


@dataclass(frozen=True, slots=True)
class HostMemory:
    """The host's memory. Weights that are mapped count as free there: they can be read from the file again."""

    free_bytes: int
    total_bytes: int
    maps_weights: bool = True
    are_weights_loaded: bool = False
