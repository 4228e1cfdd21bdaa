"""The limits that a request sets to its drafts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DraftLimits:
    """At most `n_max` tokens in a call, none if fewer than `n_min` or likelier to fail than `p_min` asks for."""

    n_max: int = 16
    n_min: int = 0
    p_min: float = 0.0


NO_LIMITS = DraftLimits()
