"""Which checkpoint to give up when a home is full: the least valuable one, by a probability that is learned."""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from segue.state.checkpoint import Checkpoint, Origin
from segue.state.lineage import is_consumed, nearest_ancestor

# How often a checkpoint that nothing has continued yet is read back; the learned counts take over from here.
_PRIORS = {
    Origin.MESSAGE_END: 0.3,
    Origin.PROMPT_END: 0.85,
    Origin.REPLY_END: 0.5,
    Origin.FORK: 0.3,
    Origin.VOLATILE: 0.5,
    Origin.BREAKPOINT: 0.9,
    Origin.STRIDE: 0.03,
    Origin.FORESEEN: 0.5,
}


@dataclass(frozen=True, slots=True)
class RetentionParameters:
    """What retention takes for granted before it has learned, and how it weighs what it sees.

    `priors` say how often checkpoints of an origin are read back, and weigh as `n_prior` checkpoints taken;
    `n_own_prior` is the weight of that against a checkpoint's own hits. Its value halves after `half_life_s` of not
    being used, and falls to `consumed` once one path goes on from it.
    """

    priors: dict[Origin, float] = field(default_factory=_PRIORS.copy)
    n_prior: float = 20.0
    n_own_prior: float = 2.0
    half_life_s: float = 600.0
    consumed: float = 0.2


_DEFAULT = RetentionParameters()


class Retention:
    """Values checkpoints by what keeping them is expected to save; learns how often each origin is read back."""

    def __init__(self, parameters: RetentionParameters = _DEFAULT) -> None:
        self._parameters = parameters
        self._n_taken: Counter[Origin] = Counter()
        self._n_hit: Counter[Origin] = Counter()

    def note_taken(self, origin: Origin) -> None:
        """Count that a checkpoint was taken."""
        self._n_taken[origin] += 1

    def note_hit(self, origin: Origin) -> None:
        """Count that a checkpoint was read back for the first time."""
        self._n_hit[origin] += 1

    def p_reuse(self, checkpoint: Checkpoint, now: float, *, consumed: bool) -> float:
        """The probability that it is read back again: of its origin, then its own hits, halved after each idle spell.

        `now` is in monotonic seconds.
        """
        origin = checkpoint.origin
        at = self._parameters
        p = (at.priors[origin] * at.n_prior + self._n_hit[origin]) / (at.n_prior + self._n_taken[origin])
        if consumed:
            p *= at.consumed
        p = (p * at.n_own_prior + checkpoint.n_hits) / (at.n_own_prior + checkpoint.n_hits)
        return min(1.0, p) / (1.0 + max(0.0, now - checkpoint.last_used) / at.half_life_s)

    def value(self, checkpoint: Checkpoint, n_saved: int, n_bytes: int, now: float, *, consumed: bool) -> float:
        """Tokens expected to be saved per byte; infinite if pinned or if dropping it would free nothing.

        `n_saved`: the tokens to be read again without it; `n_bytes`: what dropping it would free; `consumed`: one
        path continues from it, and has a checkpoint of its own.
        """
        if checkpoint.is_pinned(now) or n_bytes <= 0:
            return math.inf
        return self.p_reuse(checkpoint, now, consumed=consumed) * n_saved / n_bytes

    def ranked(
        self, candidates: Iterable[Checkpoint], now: float, freed: Callable[[Checkpoint], int]
    ) -> list[Checkpoint]:
        """The candidates, all of them attached, whose dropping would free anything; the least valuable first.

        Pinned ones come last, then by how recently they were used. Mutates nothing; n log n in candidates.
        """
        return sorted((c for c in candidates if freed(c) > 0), key=lambda c: self._rank(c, now, freed(c)))

    def victim(
        self, candidates: Iterable[Checkpoint], now: float, freed: Callable[[Checkpoint], int]
    ) -> Checkpoint | None:
        """The first of `ranked`, in linear time; None if there is none."""
        return min((c for c in candidates if freed(c) > 0), key=lambda c: self._rank(c, now, freed(c)), default=None)

    def _rank(self, checkpoint: Checkpoint, now: float, n_bytes: int) -> tuple[float, float]:
        kept = nearest_ancestor(checkpoint)
        n_saved = checkpoint.n_tokens - (kept.n_tokens if kept else 0)
        value = self.value(checkpoint, n_saved, n_bytes, now, consumed=is_consumed(checkpoint))
        return value, checkpoint.last_used
