"""What goes next for room, ranked for several at once."""

from collections.abc import Callable

from segue.state.checkpoint import Checkpoint

_SHARE_RANKED = 16


class Victims:
    """A queue of the least valuable checkpoints; ranking thousands for each one dropped would stop the engine."""

    def __init__(self) -> None:
        self._ranked: list[Checkpoint] = []
        self._ranked_at = 0.0

    def next(
        self, rank: Callable[[], list[Checkpoint]], now: float, may_go: Callable[[Checkpoint], bool]
    ) -> Checkpoint | None:
        """The next to go, still attached and not used since it was ranked; None if `rank` has none.

        `rank` gives all that may go, the least valuable first, and is asked again once a sixteenth of them is used up.
        """
        while self._ranked:
            checkpoint = self._ranked.pop()
            if checkpoint.branch is not None and checkpoint.last_used <= self._ranked_at and may_go(checkpoint):
                return checkpoint
        ordered = rank()
        self._ranked = ordered[: 1 + len(ordered) // _SHARE_RANKED][::-1]
        self._ranked_at = now
        return self._ranked.pop() if self._ranked else None
