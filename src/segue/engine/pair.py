"""The tokens around two texts that are read together."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PairTokens:
    """The tokens before the first of two texts, between them, and behind the second."""

    before: tuple[int, ...] = ()
    between: tuple[int, ...] = ()
    behind: tuple[int, ...] = ()
