"""What a directory would still hold if checkpoints were removed."""

from collections import Counter
from collections.abc import Iterable

from segue.commands.cache.holding import Holding


class Remainder:
    """Begins with checkpoints; a file that several need is counted once, in `used_bytes` as in a directory."""

    def __init__(self, holdings: Iterable[Holding]) -> None:
        self.n_needing: Counter[str] = Counter()
        self.used_bytes = 0
        for holding in holdings:
            self.n_needing.update(segment.file for segment in holding.chain)
            self.used_bytes += self.freed_bytes(holding)

    def freed_bytes(self, holding: Holding) -> int:
        """What the removal of one that is left would free: its own file, and those of segments that only it needs."""
        return holding.row.n_bytes + sum(
            segment.n_bytes for segment in holding.chain if self.n_needing[segment.file] == 1
        )

    def remove(self, holding: Holding) -> None:
        """Take away one that is left."""
        self.used_bytes -= self.freed_bytes(holding)
        self.n_needing.subtract(segment.file for segment in holding.chain)
