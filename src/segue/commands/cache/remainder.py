"""Counts the bytes that remain in a directory as checkpoints are removed."""

from collections import Counter
from collections.abc import Iterable

from segue.commands.cache.holding import Holding


class Remainder:
    """Starts with all checkpoints. `used_bytes` counts a file once, even if several checkpoints need it."""

    def __init__(self, holdings: Iterable[Holding]) -> None:
        self.n_needing: Counter[str] = Counter()
        self.used_bytes = 0
        for holding in holdings:
            self.n_needing.update(segment.file for segment in holding.chain)
            self.used_bytes += self.freed_bytes(holding)

    def freed_bytes(self, holding: Holding) -> int:
        """The bytes that removing this checkpoint would free: its own file, and segments that only it needs."""
        return holding.row.n_bytes + sum(
            segment.n_bytes for segment in holding.chain if self.n_needing[segment.file] == 1
        )

    def remove(self, holding: Holding) -> None:
        """Remove one of the remaining checkpoints."""
        self.used_bytes -= self.freed_bytes(holding)
        self.n_needing.subtract(segment.file for segment in holding.chain)
