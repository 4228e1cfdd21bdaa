"""What a loop has done since it started."""

from dataclasses import dataclass, replace

from segue.loop.end import JobEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopTotals:
    """Sums over all requests that have ended, and over all calls of the engine.

    Of prompts, `n_cached` tokens were reused and `n_read` read, in `read_ms`. `n_generated` tokens were generated, with
    `n_intervals` intervals between the tokens of one reply, which took `generated_ms`. `n_longest`: the most tokens of
    a prompt with its reply. `n_calls` calls of the engine read a batch, for `n_served` requests in sum.
    Of `n_drafted` drafted tokens `n_accepted` held.
    """

    n_cached: int = 0
    n_read: int = 0
    read_ms: float = 0.0
    n_generated: int = 0
    n_intervals: int = 0
    generated_ms: float = 0.0
    n_longest: int = 0
    n_calls: int = 0
    n_served: int = 0
    n_drafted: int = 0
    n_accepted: int = 0

    def after_end(self, end: JobEnd) -> "LoopTotals":
        """The totals after the end of another request."""
        timings = end.timings
        return replace(
            self,
            n_cached=self.n_cached + timings.cache_n,
            n_read=self.n_read + timings.prompt_n,
            read_ms=self.read_ms + timings.prompt_ms,
            n_generated=self.n_generated + timings.predicted_n,
            n_intervals=self.n_intervals + timings.n_intervals,
            generated_ms=self.generated_ms + timings.predicted_ms,
            n_drafted=self.n_drafted + timings.draft_n,
            n_accepted=self.n_accepted + timings.draft_n_accepted,
            n_longest=max(self.n_longest, timings.cache_n + timings.prompt_n + timings.predicted_n),
        )
