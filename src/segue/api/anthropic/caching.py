"""`cache_control`: what a client wants kept in the cache, and for how long."""

from collections.abc import Sequence

from segue.chat.breakpoints import Wish
from segue.serving.errors import invalid

_TTLS_S = {"5m": 300.0, "1h": 3600.0}
_N_MOST = 4


def ttl_of(control: object, field: str) -> float | None:
    """How long to keep what ends where this `cache_control` stands, None if there is none. Raises ApiError."""
    if control is None:
        return None
    if not isinstance(control, dict) or control.get("type") != "ephemeral":
        raise invalid(f"Field '{field}': type must be ephemeral")
    ttl = control.get("ttl") or "5m"
    if not isinstance(ttl, str) or ttl not in _TTLS_S:
        raise invalid(f"Field '{field}.ttl': it must be 5m or 1h")
    return _TTLS_S[ttl]


def check_number(wishes: Sequence[Wish]) -> None:
    """Raise ApiError for more wishes than Anthropic takes: each costs a checkpoint that outlives others."""
    if len(wishes) > _N_MOST:
        raise invalid(f"Field 'cache_control': at most {_N_MOST} blocks may have one, and {len(wishes)} do")
