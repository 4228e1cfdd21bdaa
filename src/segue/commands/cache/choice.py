"""Chooses the checkpoints that `segue cache prune` removes."""

from dataclasses import dataclass

from segue.commands.cache.holding import Holding
from segue.commands.cache.stock import Stock


@dataclass(frozen=True, slots=True)
class PruneChoice:
    """Removes all checkpoints that meet a condition, then those used longest ago until the rest fits a limit."""

    unused_s: float | None = None
    limit_bytes: int | None = None
    other_models: bool = False

    def of(self, stock: Stock, now: float) -> list[Holding]:
        """The checkpoints to remove, those used longest ago first; never pinned ones."""
        loose = [holding for holding in reversed(stock.holdings) if not holding.row.pinned]
        model = stock.holdings[0].model if stock.holdings else None
        remainder = stock.remainder()
        chosen: list[Holding] = []
        rest: list[Holding] = []
        for holding in loose:
            is_old = self.unused_s is not None and now - holding.row.last_used > self.unused_s
            matches = is_old or (self.other_models and holding.model != model)
            (chosen if matches else rest).append(holding)
        for holding in chosen:
            remainder.remove(holding)
        for holding in rest:
            if self.limit_bytes is None or remainder.used_bytes <= self.limit_bytes:
                break
            remainder.remove(holding)
            chosen.append(holding)
        return chosen
