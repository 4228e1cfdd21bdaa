"""What a job tells while it runs: its progress, its tokens, its timings."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timings:
    """How a request went, in llama-server's terms: `cache_n` reused, `prompt_n` read, `predicted_n` generated.

    Reading ends with the first token, which the prompt's last logits give; `predicted_ms` run from there to the last.
    """

    cache_n: int
    prompt_n: int
    prompt_ms: float
    predicted_n: int
    predicted_ms: float

    @property
    def prompt_per_token_ms(self) -> float:
        """Milliseconds for each token read; 0 if none was."""
        return _ratio(self.prompt_ms, self.prompt_n)

    @property
    def prompt_per_second(self) -> float:
        """Tokens read in a second; 0 if none was read, or no time has passed."""
        return _ratio(1e3 * self.prompt_n, self.prompt_ms)

    @property
    def predicted_per_token_ms(self) -> float:
        """Milliseconds from one generated token to the next; 0 with fewer than two."""
        return _ratio(self.predicted_ms, self._n_intervals)

    @property
    def predicted_per_second(self) -> float:
        """Tokens generated in a second, the first one not counted; 0 with fewer than two, or if no time has passed."""
        return _ratio(1e3 * self._n_intervals, self.predicted_ms)

    @property
    def _n_intervals(self) -> int:
        return max(0, self.predicted_n - 1)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a prompt is read: tokens in all, reused from the cache, done so far (reused ones included).

    `timings` are those so far, if the job wants them.
    """

    n_total: int
    n_cached: int
    n_processed: int
    time_ms: float
    timings: Timings | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token with its log-probability (natural) before sampling, or after it if the job asked so."""

    token: int
    logprob: float


@dataclass(frozen=True, slots=True)
class TokenOut:
    """The `n_generated`-th token; `top` holds the `n_probs` likeliest, best first; `timings` are those so far."""

    token: int
    is_eog: bool
    logprob: float | None
    top: tuple[Candidate, ...]
    n_generated: int
    timings: Timings | None


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0 else 0.0
