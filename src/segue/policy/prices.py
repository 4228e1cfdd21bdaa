"""The time that copying and reading take, by measured rates, so that the cheaper way can be chosen."""

import time
from collections.abc import Callable
from dataclasses import dataclass

_DEFAULT_OVERHEAD_TOKENS = 8.0
_FEWEST_OVERHEAD_TOKENS, _MOST_OVERHEAD_TOKENS = 2.0, 256.0
_COPY_SHARE, _READ_SHARE = 0.2, 0.1
_N_COUNTS_FULLY_BYTES = 1 << 20
_N_LARGE_TOKENS = 256
_N_SMALL_TOKENS = 128
_N_SLOW_TOKENS, _SLOW_S, _FELT_S = 64, 0.1, 0.02
_DELAY_SHARE = 0.02
_P_NEEDED = 0.5


@dataclass(slots=True)
class Prices:
    """Running means of rates, recorded by all code that copies or reads, and used to choose the cheaper way.

    `save_bytes_s` is the rate from the device to the host, `load_bytes_s` that of the way back, and `lower_bytes_s`
    that of the tier below the host; the first guesses are those of a small computer. Reading takes `token_s` a token
    and `overhead_s` a batch, both 0 until measured. `clock` gives the seconds that all of it is measured in.
    """

    save_bytes_s: float = 2e9
    load_bytes_s: float = 2e9
    lower_bytes_s: float = 3e8
    token_s: float = 0.0
    overhead_s: float = 0.0
    clock: Callable[[], float] = time.perf_counter

    @classmethod
    def starting(cls, n_bytes: int, *, save_bytes_s: float, load_bytes_s: float) -> "Prices":
        """Prices with the rates that a copy of `n_bytes` has shown; of a small one, the first guesses are nearer."""
        guess, share = cls(), min(1.0, n_bytes / _N_COUNTS_FULLY_BYTES)
        return cls(
            guess.save_bytes_s + share * (save_bytes_s - guess.save_bytes_s),
            guess.load_bytes_s + share * (load_bytes_s - guess.load_bytes_s),
        )

    def save_s(self, n_bytes: int) -> float:
        """The time to copy bytes from the device to the host."""
        return n_bytes / self.save_bytes_s

    def load_s(self, n_bytes: int) -> float:
        """The time to copy bytes from the host to the device."""
        return n_bytes / self.load_bytes_s

    def restore_s(self, n_host_bytes: int, n_lower_bytes: int) -> float:
        """The time to fetch `n_lower_bytes` from the tier below the host and to load `n_host_bytes`."""
        return self.load_s(n_host_bytes) + n_lower_bytes / self.lower_bytes_s

    def read_s(self, n_tokens: int) -> float:
        """The time to read tokens; infinite until a first measurement, so that checkpoints are used."""
        if not n_tokens:
            return 0.0
        return n_tokens * self.token_s if self.token_s else float("inf")

    def prefill_s(self, n_tokens: int) -> float:
        """The time until the last of a prompt's tokens is read: 0 if there are none, else with that of a batch."""
        return self.read_s(n_tokens) + self.overhead_s if n_tokens else 0.0

    def checkpoint_tokens(self, n_bytes_state: int) -> float:
        """The cost of one more checkpoint, in tokens that could be read in the same time.

        It takes one more batch, and a copy of its state, which delays others even where it is made later.
        """
        if not self.token_s:
            return _DEFAULT_OVERHEAD_TOKENS
        overhead = self.overhead_s / self.token_s if self.overhead_s else _DEFAULT_OVERHEAD_TOKENS
        overhead = min(_MOST_OVERHEAD_TOKENS, max(_FEWEST_OVERHEAD_TOKENS, overhead))
        return overhead + self.save_s(n_bytes_state) / self.token_s

    def is_slow(self, n_bytes: int) -> bool:
        """Whether copying takes longer than reading the tokens between the closest checkpoints, and is felt at all."""
        return self.save_s(n_bytes) > max(_FELT_S, self.read_s(_N_SLOW_TOKENS) if self.token_s else _SLOW_S)

    def is_worth_copying(self, n_bytes: int, n_tokens: int) -> bool:
        """Whether copying bytes to the host, and perhaps back, takes less time than reading `n_tokens` again.

        A copy too short to be felt is always worth it, here and below.
        """
        return self.save_s(n_bytes) / _P_NEEDED + self.load_s(n_bytes) < max(_FELT_S, self.read_s(n_tokens))

    def is_worth_loading(self, n_bytes: int, n_tokens: int) -> bool:
        """Whether copying bytes back to the device takes less time than reading `n_tokens` again."""
        return self.load_s(n_bytes) < max(_FELT_S, self.read_s(n_tokens))

    def is_worth_waiting(self, n_bytes: int, n_tokens: int) -> bool:
        """Whether copying bytes to the host adds little to the time in which a request reads `n_tokens`."""
        return self.save_s(n_bytes) < _DELAY_SHARE * self.read_s(n_tokens)

    def record_save(self, n_bytes: int, seconds: float) -> None:
        """Record the time that copying bytes from the device to the host took."""
        self.save_bytes_s = _rate(self.save_bytes_s, n_bytes, seconds)

    def record_load(self, n_bytes: int, seconds: float) -> None:
        """Record the time that copying bytes from the host to the device took."""
        self.load_bytes_s = _rate(self.load_bytes_s, n_bytes, seconds)

    def record_fetch(self, n_bytes: int, seconds: float) -> None:
        """Record the time that fetching bytes from the tier below the host took."""
        self.lower_bytes_s = _rate(self.lower_bytes_s, n_bytes, seconds)

    def record_read(self, n_tokens: int, seconds: float) -> None:
        """Record the time of a batch that held only prompt tokens."""
        if n_tokens >= _N_LARGE_TOKENS:
            self.token_s = _mean(self.token_s, seconds / n_tokens)
        elif n_tokens <= _N_SMALL_TOKENS and self.token_s:
            self.overhead_s = _mean(self.overhead_s, max(0.0, seconds - n_tokens * self.token_s))


def _rate(mean: float, n_bytes: int, seconds: float) -> float:
    """The new mean of a rate; what calls cost would hide the rate in copies of a few bytes, so they count less."""
    if not n_bytes or seconds <= 0:
        return mean
    return mean + _COPY_SHARE * min(1.0, n_bytes / _N_COUNTS_FULLY_BYTES) * (n_bytes / seconds - mean)


def _mean(mean: float, value: float) -> float:
    return value if not mean else mean + _READ_SHARE * (value - mean)
