"""How many tokens a model drafts for one reply: as many as are likely to hold, and none while that is not worth it."""

import math
from typing import Final

_N_MOST: Final = 8
_PRIOR: Final = 0.7
_N_PRIOR: Final = 2.0
_DECAY: Final = 0.9
_N_REMEMBERED: Final = 16
_LEAST: Final = 0.4
"""The least likely token to draft: the probability that it and all before it hold."""
_N_SKIPPED_MOST: Final = 32


class Pace:
    """Follows how the drafts of one reply fare. Drafting costs time, so drafts that nobody verifies make it pause."""

    def __init__(self) -> None:
        self._n_tried, self._n_held = _N_PRIOR, _N_PRIOR * _PRIOR
        self._n_skipped = self._n_to_skip = 0

    @property
    def probability(self) -> float:
        """How likely the next drafted token is to hold."""
        return self._n_held / self._n_tried

    def n_wanted(self, n_most: int) -> int:
        """How many tokens to draft now; each call counts as a turn."""
        if self._n_skipped < self._n_to_skip:
            self._n_skipped += 1
            return 0
        self._n_skipped, self._n_to_skip = 0, min(_N_SKIPPED_MOST, 2 * self._n_to_skip + 1)
        return min(n_most, self._n_likely())

    def verified(self, n_drafted: int, n_accepted: int) -> None:
        """Record a verified draft: tokens behind the first that did not hold say nothing.

        With 0 drafted tokens, another drafter's were verified, which is no reason for a pause.
        """
        self._n_to_skip = 0
        if not n_drafted:
            return
        share = min(_DECAY, _N_REMEMBERED / self._n_tried)
        self._n_tried = share * self._n_tried + n_accepted + (n_accepted < n_drafted)
        self._n_held = share * self._n_held + n_accepted

    def _n_likely(self) -> int:
        if self.probability <= _LEAST:
            return 1
        return _N_MOST if self.probability >= 1 else min(_N_MOST, int(math.log(_LEAST) / math.log(self.probability)))
