"""One request of the demo, asked with the cache and without, and what all of them come to."""

from collections.abc import Iterable
from dataclasses import dataclass

from segue.demo.reply import DemoReply


@dataclass(frozen=True, slots=True)
class Row:
    """A step's answer with the cache, and without: None before it was asked that way."""

    name: str
    cached: DemoReply
    uncached: DemoReply | None = None

    @property
    def is_same(self) -> bool:
        """Whether both replies are equal."""
        return self.uncached is not None and self.cached.text == self.uncached.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over rows; the times are those until first tokens. `n_differ` rows have unequal replies."""

    n_rows: int
    n_prompt: int
    n_reused: int
    n_read: int
    cached_ms: float
    uncached_ms: float
    n_differ: int

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "Totals":
        """Add up rows; a request not sent without the cache counts as no time and no difference."""
        rows = list(rows)
        plain = [row.uncached for row in rows if row.uncached is not None]
        return cls(
            n_rows=len(rows),
            n_prompt=sum(row.cached.n_prompt for row in rows),
            n_reused=sum(row.cached.n_reused for row in rows),
            n_read=sum(row.cached.n_read for row in rows),
            cached_ms=sum(row.cached.first_ms for row in rows),
            uncached_ms=sum(answer.first_ms for answer in plain),
            n_differ=sum(row.uncached is not None and not row.is_same for row in rows),
        )
