"""Chooses the checkpoint to drop when a tier is full: the one expected to save least per byte and second."""

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count

from segue.policy.neighbours import Neighbours
from segue.policy.return_times import ReturnTimes
from segue.policy.rewinds import Rewinds
from segue.policy.victims import n_in_share
from segue.prefix.checkpoint import AnyCheckpoint, Checkpoint, Origin
from segue.prefix.lineage import branch_of
from segue.prefix.match import Match
from segue.prefix.visit import Visit, arrive

# How often other conversations start from a checkpoint, until learned counts outweigh these values.
_PRIORS = {
    Origin.MESSAGE_END: 0.1,
    Origin.PROMPT_END: 0.02,
    Origin.REPLY_END: 0.01,
    Origin.FORK: 0.3,
    Origin.VOLATILE: 0.5,
    Origin.BREAKPOINT: 0.3,
    Origin.STRIDE: 0.01,
    Origin.REWIND: 0.01,
    Origin.FORESEEN: 0.01,
}


@dataclass(frozen=True, slots=True)
class RetentionParameters:
    """The assumptions of retention before it has learned anything.

    `priors` say how often a checkpoint of an origin serves another conversation, and weigh as much as `n_prior` taken
    checkpoints; `fork_s` is the age at which a checkpoint's own uses count in full. A conversation returns with
    `p_return` in each half octave of time, which weighs as much as `n_prior_returns` visits.
    """

    priors: Mapping[Origin, float] = field(default_factory=_PRIORS.copy)
    n_prior: float = 20.0
    fork_s: float = 60.0
    p_return: float = 0.03
    n_prior_returns: float = 20.0


_DEFAULT = RetentionParameters()


class Retention:
    """Values checkpoints by the tokens that they are expected to save; learns when and where conversations return.

    A request first `arrive`s, then has `reached` one checkpoint after the other. One thread only.
    """

    def __init__(self, parameters: RetentionParameters = _DEFAULT) -> None:
        self._parameters = parameters
        self._return_times = ReturnTimes(parameters.n_prior_returns, parameters.p_return)
        self._rewinds = Rewinds()
        self._n_taken: Counter[Origin] = Counter()
        self._n_forked: Counter[Origin] = Counter()

    def arrive(self, match: Match[AnyCheckpoint], now: float) -> Visit:
        """Begin a request whose prompt has this match in the tree. Nothing is learned until it reaches a checkpoint."""
        return arrive(match.branches[-1][0].visit, match.n_known, now)

    def reached(self, visit: Visit, checkpoint: Checkpoint, now: float) -> None:
        """Record that a request has reached an attached checkpoint on its path, perhaps again."""
        before, visit.before = visit.before, None
        if before is not None and visit.continues:
            self._rewinds.record(max(0, before.n_tokens - visit.n_known))
            if before.returned_after_s is None:
                before.returned_after_s = max(0.0, visit.arrived - before.ended)
                self._return_times.record(before)
        visit.ended = now
        visit.n_tokens = checkpoint.n_tokens
        self._return_times.record(visit)
        branch = branch_of(checkpoint)
        # A request that ends within a branch says nothing about the conversation that continues along it.
        if branch.end == checkpoint.n_tokens:
            branch.visit = visit

    def record_taken(self, origin: Origin) -> None:
        """Count that a checkpoint was taken."""
        self._n_taken[origin] += 1

    def record_hit(self, checkpoint: Checkpoint, visit: Visit) -> None:
        """Count that a request started from a checkpoint; the caller counts its `n_hits`."""
        if not visit.continues:
            self._n_forked[checkpoint.origin] += checkpoint.n_forks == 0
            checkpoint.n_forks += 1

    def rate(self, checkpoint: Checkpoint, n_next: int | None, now: float) -> float:
        """The expected number of requests per second that start from a checkpoint; `now` in monotonic seconds.

        This is the rate of its branch's conversation, if it continues from here or before `n_next`, the next checkpoint
        on the branch, plus the rate of other conversations so far.
        """
        branch, n_tokens = branch_of(checkpoint), checkpoint.n_tokens
        # A checkpoint that was loaded from a file has no visit, so its last use gives its age.
        last = branch.visit or Visit(
            arrived=checkpoint.last_used, n_known=0, before=None, ended=checkpoint.last_used, n_tokens=branch.end
        )
        # A checkpoint beyond the last request's path was read ahead of the next request.
        n_end = last.n_tokens if last.n_tokens >= n_tokens else branch.end
        p_here = 1.0 if n_next is None else self._rewinds.beyond(n_end - n_next)
        p_here -= self._rewinds.beyond(n_end - n_tokens)
        origin, at = checkpoint.origin, self._parameters
        p_fork = (at.priors[origin] * at.n_prior + self._n_forked[origin]) / (at.n_prior + self._n_taken[origin])
        # While its session was active elsewhere, it had no chance to fork.
        stood_s = max(0.0, now - max(checkpoint.created, last.attended))
        return p_here * self._return_times.rate(last, now) + (checkpoint.n_forks + p_fork) / (stood_s + at.fork_s)

    def value(self, checkpoint: Checkpoint, n_saved: int, n_bytes: int, now: float, n_next: int | None = None) -> float:
        """Tokens expected to be saved per byte and second; infinite if pinned or if dropping it would free nothing.

        `n_saved`: the tokens to be read again without it; `n_bytes`: the bytes that dropping it would free; `n_next`:
        the position of the next checkpoint on its branch, None if it is the last.
        """
        if checkpoint.is_pinned(now) or n_bytes <= 0:
            return math.inf
        return self.rate(checkpoint, n_next, now) * n_saved / n_bytes

    def ranked(
        self, candidates: Iterable[AnyCheckpoint], now: float, freed: Callable[[AnyCheckpoint], int], n_shares: int = 1
    ) -> list[AnyCheckpoint]:
        """The candidates whose dropping would free anything, in the order in which to drop them; all must be attached.

        Each is the least valuable once those before it are gone; pinned ones come last, the least recently used first.
        Returns only the first of `n_shares` parts, `n_in_share` of them. Mutates nothing; linear in candidates,
        n log n in the returned ones.
        """
        left = {c: n_bytes for c in candidates if (n_bytes := freed(c)) > 0}
        neighbours = Neighbours(left)
        worth = {c: self._worth(c, n_bytes, neighbours, now) for c, n_bytes in left.items()}
        serial = count()
        heap = [(value, c.last_used, next(serial), c) for c, value in worth.items()]
        heapq.heapify(heap)
        ordered: list[AnyCheckpoint] = []
        n_most = n_in_share(len(left), n_shares)
        while len(ordered) < n_most:
            value, _, _, checkpoint = heapq.heappop(heap)
            if worth.get(checkpoint) != value:
                continue
            ordered.append(checkpoint)
            del worth[checkpoint]
            for near in neighbours.remove(checkpoint):
                if near in worth and (value := self._worth(near, left[near], neighbours, now)) != worth[near]:
                    worth[near] = value
                    heapq.heappush(heap, (value, near.last_used, next(serial), near))
        return ordered

    def victim(
        self, candidates: Iterable[AnyCheckpoint], now: float, freed: Callable[[AnyCheckpoint], int]
    ) -> AnyCheckpoint | None:
        """The first of `ranked`, in linear time; None if there is none."""
        left = {c: n_bytes for c in candidates if (n_bytes := freed(c)) > 0}
        neighbours = Neighbours(left)
        return min(left, key=lambda c: (self._worth(c, left[c], neighbours, now), c.last_used), default=None)

    def _worth(
        self, checkpoint: AnyCheckpoint, n_bytes: int, neighbours: Neighbours[AnyCheckpoint], now: float
    ) -> float:
        above, below = neighbours.above(checkpoint), neighbours.below(checkpoint)
        n_saved = checkpoint.n_tokens - (above.n_tokens if above else 0)
        return self.value(checkpoint, n_saved, n_bytes, now, below.n_tokens if below else None)
