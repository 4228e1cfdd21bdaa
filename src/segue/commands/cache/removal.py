"""Removes checkpoints from a directory, and counts the bytes that this frees."""

from collections.abc import Sequence
from dataclasses import dataclass

from segue.commands.cache.holding import Holding
from segue.commands.cache.stock import Stock
from segue.commands.cache.units import counted, size
from segue.storage.directory import Directory


@dataclass(frozen=True, slots=True)
class Removal:
    """The number of removed checkpoints, the bytes that this frees, and the bytes that are left."""

    n_removed: int
    freed_bytes: int
    left_bytes: int

    @classmethod
    def of(cls, holdings: Sequence[Holding], stock: Stock) -> "Removal":
        """The result of removing these checkpoints from all."""
        remainder = stock.remainder()
        for holding in holdings:
            remainder.remove(holding)
        return cls(len(holdings), stock.used_bytes - remainder.used_bytes, remainder.used_bytes)

    def text(self, verb: str) -> str:
        """One line; `verb` is "removed" or "would be removed"."""
        return (
            f"{counted(self.n_removed, 'checkpoint')} {verb}: {size(self.freed_bytes)} freed, "
            f"{size(self.left_bytes)} left"
        )


def remove(directory: Directory, holdings: Sequence[Holding]) -> None:
    """Remove checkpoints and the segments that only they needed. Raises DiskError, with the index still consistent."""
    directory.remove(holding.row.key for holding in holdings)
