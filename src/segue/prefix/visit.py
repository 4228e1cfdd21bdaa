"""A request as retention remembers it: where and when its path ended, and the history of its conversation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from segue.prefix.divergence import Divergences

_SHARE_CONTINUED = 0.5
_GAP_WEIGHT = 0.3


@dataclass(slots=True, eq=False, kw_only=True)
class Visit:
    """One request, from its arrival on. Times are monotonic seconds.

    The first `n_known` tokens of its prompt were known; `before` is the visit whose path they are on, until retention
    has learned from that. The path has reached `n_tokens` tokens, at the time `ended`. `n_turns` visits of the same
    conversation came before, `gap_s` apart on a running geometric mean, None before the second. `returned_after_s`
    is the time from its end until the conversation continued; None until then. `attended` is when its client's session
    was last active elsewhere. `ReturnTimes` assigns `number`. `divergences` are those of the path that it continues.
    """

    arrived: float
    n_known: int
    before: Visit | None
    ended: float
    n_tokens: int
    n_turns: int = 0
    gap_s: float | None = None
    continues: bool = False
    returned_after_s: float | None = None
    attended: float = -math.inf
    number: int | None = None
    divergences: Divergences = field(default_factory=Divergences)

    @property
    def idle_since(self) -> float:
        """When its client was last active."""
        return max(self.ended, self.attended)


def arrive(before: Visit | None, n_known: int, now: float) -> Visit:
    """A request that arrives, `n_known` tokens of whose prompt lie on the path of the visit `before`. Mutates nothing.

    The request continues that visit's conversation if it shares at least half of its path; otherwise it only shares a
    beginning with it.
    """
    visit = Visit(arrived=now, n_known=n_known, before=before, ended=now, n_tokens=n_known)
    if before is not None:
        visit.divergences = before.divergences
    if before is None or n_known < _SHARE_CONTINUED * before.n_tokens:
        return visit
    gap_s = max(1.0, now - before.ended)
    visit.continues = True
    visit.n_turns = before.n_turns + 1
    visit.gap_s = gap_s if before.gap_s is None else before.gap_s ** (1 - _GAP_WEIGHT) * gap_s**_GAP_WEIGHT
    return visit
