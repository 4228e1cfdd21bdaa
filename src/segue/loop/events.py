"""The events that a job reports while it runs: progress, tokens and timings."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """The timings of a request in llama-server's terms: `cache_n` reused, `prompt_n` read, `predicted_n` generated.

    Reading ends with the first generated token, drawn from the prompt's last logits; `predicted_ms` is the time from
    that token to the last one. Of `draft_n` tokens that were drafted, `draft_n_accepted` held.
    """

    cache_n: int = 0
    prompt_n: int = 0
    prompt_ms: float = 0.0
    predicted_n: int = 0
    predicted_ms: float = 0.0
    draft_n: int = 0
    draft_n_accepted: int = 0

    @property
    def prompt_per_token_ms(self) -> float:
        """Milliseconds per token read; 0 if none was."""
        return _ratio(self.prompt_ms, self.prompt_n)

    @property
    def prompt_per_second(self) -> float:
        """Tokens read per second; 0 if none was read, or no time has passed."""
        return _ratio(1e3 * self.prompt_n, self.prompt_ms)

    @property
    def predicted_per_token_ms(self) -> float:
        """Milliseconds from one generated token to the next; 0 with fewer than two."""
        return _ratio(self.predicted_ms, self.n_intervals)

    @property
    def predicted_per_second(self) -> float:
        """Tokens generated per second, without the first one; 0 with fewer than two, or if no time has passed."""
        return _ratio(1e3 * self.n_intervals, self.predicted_ms)

    @property
    def n_intervals(self) -> int:
        """The intervals from one generated token to the next."""
        return max(0, self.predicted_n - 1)


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a prompt: its tokens in all, those reused from the cache, and those done, including reused ones.

    `timings` are those so far, if the job wants them.
    """

    n_total: int
    n_cached: int
    n_processed: int
    time_ms: float
    timings: Timings | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token with its natural log-probability before sampling, or after sampling if the job asked for that."""

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
