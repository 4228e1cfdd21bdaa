"""The pace of deferred work, such as copies to lower tiers, beside requests."""

from collections.abc import Callable

_SHARE = 0.1
_LONG_PAUSE_S = 0.005


class Pace:
    """Lets deferred work take a small share of the time while requests run, and all of it otherwise.

    A step that took long is followed by a pause nine times as long. After another slow move that delayed requests, a
    turn is skipped, but never two in a row. Belongs to the engine's thread.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = self._ended = clock()
        self._has_put_off = False

    def begin(self, decoded: float, *, is_busy: bool) -> float | None:
        """The seconds that deferred work may take now, or one step if that takes longer; None if it must not begin.

        `decoded` is the time of the last batch; `is_busy`: requests run. Call `end` after the work.
        """
        now = self._clock()
        self._has_put_off = not self._has_put_off and now - decoded > _LONG_PAUSE_S
        is_early = _SHARE * (now - self._began) < self._ended - self._began
        if self._has_put_off or (is_busy and is_early):
            return None
        seconds, self._began = _SHARE * (now - self._ended), now
        return seconds

    def end(self) -> None:
        """End what `begin` allowed."""
        self._ended = self._clock()
