"""The cost of taking a checkpoint, measured while reading."""

from dataclasses import dataclass

_DEFAULT_CHECKPOINT_TOKENS = 8.0
_SHARE = 0.1
_N_LARGE = 256
_N_SMALL = 128


@dataclass(slots=True)
class CheckpointCost:
    """Running means of the cost: the fixed part of one more batch, and a copy of the state."""

    token_s: float = 0.0
    overhead_s: float = 0.0
    save_s: float = 0.0

    @property
    def n_tokens(self) -> float:
        """The cost of one checkpoint, in tokens that could be read in the same time."""
        if not self.token_s:
            return _DEFAULT_CHECKPOINT_TOKENS
        overhead_s = self.overhead_s or _DEFAULT_CHECKPOINT_TOKENS * self.token_s
        return min(256.0, max(2.0, (overhead_s + self.save_s) / self.token_s))

    def record_read(self, n_tokens: int, seconds: float) -> None:
        """Record the time of a batch that held only prompt tokens."""
        if n_tokens >= _N_LARGE:
            self.token_s = _mean(self.token_s, seconds / n_tokens)
        elif n_tokens <= _N_SMALL and self.token_s:
            self.overhead_s = _mean(self.overhead_s, max(0.0, seconds - n_tokens * self.token_s))

    def record_save(self, seconds: float) -> None:
        """Record the time of taking a checkpoint."""
        self.save_s = _mean(self.save_s, seconds)


def _mean(mean: float, value: float) -> float:
    return value if not mean else mean + _SHARE * (value - mean)
