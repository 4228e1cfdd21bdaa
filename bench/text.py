"""Text to read: the same for the same seed, unlike for another, of exactly the length asked for."""

import random
from typing import Final

_PROSE: Final = (
    "the state of a slot after reading this file and its tests before we change what a branch holds when one path "
    "leaves another so that no token is read again def return import self class assert None for in while if else "
    "value index tokens match prompt reply batch error path list open close first last next new old size count"
)
_WORDS: Final = _PROSE.split()
_MEAN_LINE_WORDS: Final = 12


def text(rng: random.Random, n_chars: int) -> str:
    """Words and line ends, ASCII, `n_chars` characters long, ending in a full stop."""
    pieces: list[str] = []
    n = 0
    while n < n_chars:
        ending = "\n" if rng.randrange(_MEAN_LINE_WORDS) == 0 else " "
        pieces.append(f"{rng.choice(_WORDS)}{rng.randrange(100) if rng.random() < 0.2 else ''}{ending}")
        n += len(pieces[-1])
    return "".join(pieces)[: n_chars - 1] + "."
