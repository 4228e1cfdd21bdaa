"""Removes checkpoints from a directory, and counts what that frees."""

from collections.abc import Sequence
from dataclasses import dataclass

from segue.commands.cache.holding import Holding
from segue.commands.cache.stock import Stock
from segue.commands.cache.units import counted, size
from segue.storage.directory import Directory


@dataclass(frozen=True, slots=True)
class Removal:
    """How many checkpoints go, the bytes that this frees, and those that are left."""

    n_removed: int
    freed_bytes: int
    left_bytes: int

    @classmethod
    def of(cls, holdings: Sequence[Holding], stock: Stock) -> "Removal":
        """What it comes to when some are removed from all."""
        remainder = stock.remainder()
        for holding in holdings:
            remainder.remove(holding)
        return cls(len(holdings), stock.used_bytes - remainder.used_bytes, remainder.used_bytes)

    def text(self, verb: str) -> str:
        """As a line; `verb` is what becomes, or would become, of the checkpoints."""
        return (
            f"{counted(self.n_removed, 'checkpoint')} {verb}: {size(self.freed_bytes)} freed, "
            f"{size(self.left_bytes)} left"
        )


def remove(directory: Directory, holdings: Sequence[Holding]) -> None:
    """Remove checkpoints, and what only they needed. Raises DiskError; what the index still names is whole then."""
    directory.remove(holding.row.key for holding in holdings)
