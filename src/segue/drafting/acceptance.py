"""How often drafts hold in one reply, by how much of the text before them was found."""

from bisect import bisect_right
from typing import Final

_BOUNDS: Final = (4, 8, 16, 32)
_PRIORS: Final = (0.5, 0.65, 0.8, 0.85, 0.9)
"""How likely one drafted token is, measured on agents' replies, by the number of equal tokens before it."""
_N_PRIOR: Final = 2.0
_DECAY: Final = 0.9


class Acceptance:
    """The probability that the next drafted token holds. Recent drafts of the same reply count most."""

    def __init__(self) -> None:
        self._n_tried = [0.0] * len(_PRIORS)
        self._n_held = [0.0] * len(_PRIORS)

    def probability(self, n_match: int) -> float:
        """How likely a drafted token is that follows `n_match` equal ones."""
        i = bisect_right(_BOUNDS, n_match)
        return (self._n_held[i] + _N_PRIOR * _PRIORS[i]) / (self._n_tried[i] + _N_PRIOR)

    def record(self, n_match: int, n_drafted: int, n_accepted: int) -> None:
        """Record a verified draft: tokens behind the first that did not hold say nothing."""
        i = bisect_right(_BOUNDS, n_match)
        self._n_tried[i] = _DECAY * self._n_tried[i] + n_accepted + (n_accepted < n_drafted)
        self._n_held[i] = _DECAY * self._n_held[i] + n_accepted
