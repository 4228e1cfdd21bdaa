"""Learns from the latest visits when conversations return, as a rate for one that has been idle for a given time."""

import math
from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from segue.prefix.visit import Visit

Rates = NDArray[np.float64]

# Ages are classed by half octaves, from a second to more than a week.
_N_AGES = 40
_STARTS = np.concatenate(([0.0], 2.0 ** (np.arange(_N_AGES - 1) / 2)))
_WIDTHS = np.append(np.diff(_STARTS), _STARTS[-1])
_MOST_TURNS = 3
_GAPS_S = (8.0, 30.0, 120.0)
_N_GAPS = len(_GAPS_S) + 2
_N_TURN_CLASSES = (_MOST_TURNS + 1) * _N_GAPS
_N_CLASSES = 2 * _N_TURN_CLASSES
_SHARE_GROWN = 0.25
_N_VISITS = 1 << 14
_N_STALE = 64


class ReturnTimes:
    """The latest visits, and how soon the next visit of the same conversation followed each.

    Visits are classed by how many came before in their conversation, how far apart those were, and whether the last
    one added much: a tool loop returns in seconds, a person in minutes, and a conversation that returned three times
    returns again. The mean of all classes counts as `n_prior` visits of each class, and a chance of `p_prior` in each
    half octave of time as `n_prior` visits of the mean.
    """

    def __init__(self, n_prior: float, p_prior: float) -> None:
        self._n_prior = n_prior
        self._p_prior = p_prior
        self._n = 0
        self._n_learned = -_N_STALE
        self._rates: list[list[float]] = []
        self._classes = np.zeros(_N_VISITS, dtype=np.int64)
        self._ended = np.zeros(_N_VISITS)
        self._after_s = np.zeros(_N_VISITS)

    def record(self, visit: Visit) -> None:
        """Learn from a visit, or again once it has changed, until thousands of others have followed."""
        if visit.number is None:
            visit.number = self._n
            self._n += 1
        if self._n - visit.number <= _N_VISITS:
            row = visit.number % _N_VISITS
            self._classes[row] = _class(visit)
            self._ended[row] = visit.ended
            self._after_s[row] = math.nan if visit.returned_after_s is None else visit.returned_after_s

    def rate(self, visit: Visit, now: float) -> float:
        """The expected returns per second of this visit's conversation, for a wait of the best length.

        That is Gittins' index (J. R. Stat. Soc. B 41(2), 1979): the largest ratio, over all times to give up, of the
        probability of a return before then to the mean time waited.
        """
        if self._n - self._n_learned >= _N_STALE:
            self._rates = _indices(self._survival(now)).tolist()
            self._n_learned = self._n
        return self._rates[_class(visit)][_age(now - visit.idle_since)]

    def _survival(self, now: float) -> Rates:
        """The probability that a conversation has not returned by the end of an age, as `[class, age]`."""
        n = min(self._n, _N_VISITS)
        classes, after_s = self._classes[:n], self._after_s[:n]
        is_back = ~np.isnan(after_s)
        waited_s = np.where(is_back, after_s, now - self._ended[:n])
        ages = np.searchsorted(_STARTS[1:], waited_s, side="right")
        ending = _counted(classes, ages)
        returned = _counted(classes[is_back], ages[is_back])
        # A conversation that has not returned yet has been through half of its present age, on average.
        waiting = np.cumsum(ending[:, ::-1], axis=1)[:, ::-1] - (ending - returned) / 2
        of_all = (returned.sum(axis=0) + self._n_prior * self._p_prior) / (waiting.sum(axis=0) + self._n_prior)
        return np.cumprod(1 - (returned + self._n_prior * of_all) / (waiting + self._n_prior), axis=1)


def _class(visit: Visit) -> int:
    gap = 0 if visit.gap_s is None else 1 + bisect_right(_GAPS_S, visit.gap_s)
    has_grown = visit.continues and visit.n_tokens - visit.n_known >= _SHARE_GROWN * visit.n_tokens
    return has_grown * _N_TURN_CLASSES + min(visit.n_turns, _MOST_TURNS) * _N_GAPS + gap


def _age(seconds: float) -> int:
    return 0 if seconds < 1 else min(_N_AGES - 1, 1 + int(2 * math.log2(seconds)))


def _counted(classes: NDArray[np.int64], ages: NDArray[np.int64]) -> Rates:
    counts = np.bincount(classes * _N_AGES + ages, minlength=_N_CLASSES * _N_AGES)
    return counts.reshape(_N_CLASSES, _N_AGES).astype(np.float64)


def _indices(survival: Rates) -> Rates:
    """Gittins' index at the start of each age, `[class, age]`, from the survival at the ages' ends."""
    left = np.hstack((np.ones((len(survival), 1)), survival))
    waited = np.cumsum(_WIDTHS * (left[:, :-1] + left[:, 1:]) / 2, axis=1)
    waited = np.hstack((np.zeros((len(survival), 1)), waited))
    gains = left[:, :-1, None] - left[:, None, 1:]
    waits = waited[:, None, 1:] - waited[:, :-1, None]
    is_after = np.triu(np.ones((_N_AGES, _N_AGES), dtype=np.bool_))
    best: Rates = np.where(is_after, gains / np.where(is_after, waits, 1.0), 0.0).max(axis=2)
    return best
