"""The cost of a call of the engine by the number of its tokens, measured while replies are generated."""

from bisect import bisect_left
from collections import Counter
from typing import Final

_SHARE: Final = 0.1
_GUESSED_SHARE: Final = 0.15
"""What one more token costs, as a share of a call with one, until it is measured."""


class RowCosts:
    """Running means of the seconds that a call takes, by its tokens; what was not measured is interpolated."""

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._seconds: list[float] = []
        self._n_calls: Counter[int] = Counter()

    def record(self, n_tokens: int, seconds: float) -> None:
        """Record a call that took `seconds`."""
        self._n_calls[n_tokens] += 1
        i = bisect_left(self._sizes, n_tokens)
        if i < len(self._sizes) and self._sizes[i] == n_tokens:
            # One slow call, while something else ran, must not count for long.
            mean = self._seconds[i]
            self._seconds[i] = mean + _SHARE * (min(seconds, 2 * mean) - mean)
        else:
            # Nor must the first one of its size, which might never be tried again.
            usual = self.seconds(n_tokens)
            self._sizes.insert(i, n_tokens)
            self._seconds.insert(i, min(seconds, 2 * usual) if usual else seconds)

    def knows(self, n_tokens: int) -> bool:
        """Whether calls with so many tokens were measured; the first one alone may have been slow."""
        return self._n_calls[n_tokens] > 1

    def relative(self, n_tokens: int, n_base: int) -> float:
        """The cost of a call with `n_tokens`, as a multiple of that with `n_base`; never less than 1."""
        base = self.seconds(n_base)
        return max(1.0, self.seconds(n_tokens) / base) if base else 1 + _GUESSED_SHARE * (n_tokens - n_base)

    def extra(self, n_tokens: int, n_less: int, n_base: int) -> float:
        """The extra cost of a call with `n_tokens` over one with `n_less`, as a multiple of one with `n_base`."""
        base = self.seconds(n_base)
        if not base:
            return _GUESSED_SHARE * (n_tokens - n_less)
        return max(0.0, self.seconds(n_tokens) - self.seconds(n_less)) / base

    def seconds(self, n_tokens: int) -> float:
        """Seconds of a call, from the nearest measured sizes; 0 if none was measured."""
        if not self._sizes:
            return 0.0
        i = bisect_left(self._sizes, n_tokens)
        if i == len(self._sizes) or (i == 0 and self._sizes[0] > n_tokens):
            return self._beyond(n_tokens, min(i, len(self._sizes) - 1))
        if self._sizes[i] == n_tokens:
            return self._seconds[i]
        low, high = self._sizes[i - 1], self._sizes[i]
        share = (n_tokens - low) / (high - low)
        return self._seconds[i - 1] + share * (self._seconds[i] - self._seconds[i - 1])

    def _beyond(self, n_tokens: int, nearest: int) -> float:
        """An estimate outside the measured sizes, by the guessed cost of a token."""
        size, seconds = self._sizes[nearest], self._seconds[nearest]
        return seconds * max(0.1, 1 + _GUESSED_SHARE * n_tokens) / (1 + _GUESSED_SHARE * size)
