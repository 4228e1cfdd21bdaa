"""The next checkpoints to drop for room, ranked several at a time."""

from collections.abc import Callable
from typing import Generic

from segue.prefix.checkpoint import AnyCheckpoint

_N_SHARES = 64


def n_in_share(n: int, n_shares: int) -> int:
    """How many of `n` candidates are ranked at once: at least one, if there are any."""
    return min(n, 1 + n // n_shares)


class Victims(Generic[AnyCheckpoint]):
    """A queue of the least valuable checkpoints; ranking thousands for each one dropped would stop the engine.

    It ranks one of `n_shares` parts of all candidates at a time, and at least one candidate.
    """

    def __init__(self, n_shares: int = _N_SHARES) -> None:
        self._n_shares = n_shares
        self._ranked: list[AnyCheckpoint] = []
        self._ranked_at = 0.0

    def next(
        self, rank: Callable[[int], list[AnyCheckpoint]], now: float, may_go: Callable[[AnyCheckpoint], bool]
    ) -> AnyCheckpoint | None:
        """The next to drop, still attached and not used since it was ranked; None if `rank` returns none.

        `rank(n_shares)` returns the `n_in_share` least valuable of all that `may_go`, the least valuable first, and is
        called again once these are used up.
        """
        while self._ranked:
            checkpoint = self._ranked.pop()
            if checkpoint.branch is not None and checkpoint.last_used <= self._ranked_at and may_go(checkpoint):
                return checkpoint
        self._ranked = rank(self._n_shares)[::-1]
        self._ranked_at = now
        return self._ranked.pop() if self._ranked else None

    def requeue(self, checkpoint: AnyCheckpoint) -> None:
        """Put the last one back at the head of the queue: it was not dropped."""
        self._ranked.append(checkpoint)
