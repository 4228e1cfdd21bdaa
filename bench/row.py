"""What was measured: one row of the report, and what is asked of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

SEGUE: Final = "Segue"
PEER: Final = "llama-server"
BARE: Final = "bare libllama"
MUST: Final = "must be read"
PREFIX: Final = "beyond the prefix"


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of `n` measurements, the lowest and the highest."""

    median: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The spread of at least one value."""
        return cls(median(values), min(values), max(values), len(values))

    @classmethod
    def ratio(cls, above: Sequence[float], below: Sequence[float]) -> "Spread":
        """The spread of the ratios of values that were measured in turns: noise that both met cancels out."""
        return cls.of([a / b for a, b in zip(above, below, strict=True)])


@dataclass(frozen=True, slots=True)
class Goal:
    """A limit that a row keeps if the median of its ratio does, or that of Segue's own value where it has none."""

    limit: float
    at_least: bool = False

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement: `values` in `unit`, by who had them, and the `ratio` of `ratio_of` to `ratio_over`.

    `at` is what it was measured at (tokens of context, requests at once), 0 for nothing such. Without a goal a row is
    there to be read.
    """

    part: str
    what: str
    unit: str
    values: Mapping[str, Spread]
    ratio: Spread | None = None
    ratio_of: str = SEGUE
    ratio_over: str = ""
    goal: Goal | None = None
    at: int = 0

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        judged = self.ratio or self.values.get(SEGUE)
        if self.goal is None or judged is None:
            return None
        limit = self.goal.limit
        return judged.median >= limit if self.goal.at_least else judged.median <= limit


def compared(
    part: str,
    what: str,
    unit: str,
    measured: Mapping[str, Sequence[float]],
    *,
    over: str,
    of: str = SEGUE,
    goal: Goal | None = None,
    at: int = 0,
) -> Row:
    """A row of values measured in turns; without a ratio, and so without its goal, where `over` was not measured."""
    values = {name: Spread.of(series) for name, series in measured.items() if series}
    if of not in values or over not in values:
        return Row(part, what, unit, values, at=at)
    return Row(part, what, unit, values, Spread.ratio(measured[of], measured[over]), of, over, goal, at)
