"""How often the drafts of a model hold: in one reply, and in all of them."""

from typing import Final

_N_PRIOR: Final = 2.0
_DECAY: Final = 0.9
_N_REMEMBERED: Final = 16
_N_REMEMBERED_OF_ALL: Final = 256


class Held:
    """The share of drafted tokens that held, where all before them did. The last `n_remembered` or so count."""

    def __init__(self, prior: float, n_remembered: int, decay: float = 1.0) -> None:
        self._n_remembered = n_remembered
        self._decay = decay
        self._n_tried, self._n_held = _N_PRIOR, _N_PRIOR * prior

    @property
    def share(self) -> float:
        """The share, which is the probability that the next drafted token holds."""
        return self._n_held / self._n_tried

    def record(self, n_drafted: int, n_accepted: int) -> None:
        """Record a verified draft: tokens behind the first that did not hold say nothing."""
        kept = min(self._decay, self._n_remembered / self._n_tried)
        self._n_tried = kept * self._n_tried + n_accepted + (n_accepted < n_drafted)
        self._n_held = kept * self._n_held + n_accepted


class DraftPace:
    """The drafts of one reply, which begins where all earlier replies stand: with `of_all`."""

    def __init__(self, of_all: Held) -> None:
        self._of_all = of_all
        self._own = Held(of_all.share, _N_REMEMBERED, _DECAY)

    @property
    def probability(self) -> float:
        """How likely the next drafted token is to hold."""
        return self._own.share

    def verified(self, n_drafted: int, n_accepted: int) -> None:
        """Record a verified draft."""
        self._own.record(n_drafted, n_accepted)
        self._of_all.record(n_drafted, n_accepted)


def held_in_all(prior: float) -> Held:
    """What to begin replies with."""
    return Held(prior, _N_REMEMBERED_OF_ALL)
