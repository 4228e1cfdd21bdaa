"""Learns how far before the end of its path a conversation continues: mostly at the end, or just before it."""

_N_OCTAVES = 32
_N_LEARNED = 4096.0
# Prior: nine in ten conversations continue at the very end, the others in any octave alike.
_N_PRIOR = 20.0
_SHARE_AT_END = 0.9


class Rewinds:
    """Counts by octaves how many tokens before the last path's end the next one left it; old counts fade."""

    def __init__(self) -> None:
        others = _N_PRIOR * (1 - _SHARE_AT_END) / (_N_OCTAVES - 1)
        self._counts = [_N_PRIOR * _SHARE_AT_END] + [others] * (_N_OCTAVES - 1)
        self._tails: list[float] = []

    def record(self, n_tokens: int) -> None:
        """Learn that a conversation continued `n_tokens` tokens before its end, 0 or more."""
        if sum(self._counts) > _N_LEARNED:
            self._counts = [count / 2 for count in self._counts]
        self._counts[_octave(n_tokens)] += 1
        self._tails = []

    def beyond(self, n_tokens: int) -> float:
        """The probability that a conversation continues more than `n_tokens` before its end; 1 if negative."""
        if n_tokens < 0:
            return 1.0
        if not self._tails:
            self._tails = self._summed()
        octave = _octave(n_tokens)
        # Within an octave, `[2^o - 1, 2^(o+1) - 2]`, all are assumed to be equally likely.
        share = max(0.0, 2.0 - (n_tokens + 2) / (1 << octave))
        return self._tails[octave + 1] + share * (self._tails[octave] - self._tails[octave + 1])

    def _summed(self) -> list[float]:
        total = sum(self._counts)
        tails = [0.0] * (_N_OCTAVES + 1)
        for octave in range(_N_OCTAVES - 1, -1, -1):
            tails[octave] = tails[octave + 1] + self._counts[octave] / total
        return tails


def _octave(n_tokens: int) -> int:
    return min(_N_OCTAVES - 1, (n_tokens + 1).bit_length() - 1)
