"""The reply to one request, with the account of its tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

# The counts of tokens that were known and are read all the same, in the words of the table.
_LOST: Final = {
    "no_checkpoint_here": "again",
    "evicted": "evicted",
    "damaged": "damaged",
    "last_token": "last token",
    "incompatible": "incompatible",
    "cheaper_to_read": "cheaper to read",
    "not_fetched": "not fetched",
}
_ORIGINS: Final = {
    "": "the start",
    "message_end": "message end",
    "prompt_end": "prompt end",
    "reply_end": "reply end",
    "fork": "fork",
    "volatile": "before date",
    "breakpoint": "breakpoint",
    "stride": "mid-message",
    "rewind": "mid-message",
    "foreseen": "foreseen",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoReply:
    """The reply's text, and what became of the prompt's tokens: `n_prompt == n_reused + n_read`.

    `start` says where reading began and `reason` why it read what it read, both in plain words. `first_ms` passed
    until the client had the reply's first token.
    """

    text: str
    n_prompt: int
    n_reused: int
    n_read: int
    start: str
    reason: str
    first_ms: float

    @classmethod
    def of(cls, text: str, cache: Mapping[str, Any], first_ms: float) -> "DemoReply":
        """From a response's `cache` object."""
        counts = {"new": cache["new"]} | {words: cache[field] for field, words in _LOST.items()}
        return cls(
            text=text,
            n_prompt=cache["n_prompt"],
            n_reused=cache["n_reused"],
            n_read=cache["n_read"],
            start=_ORIGINS.get(cache["from_origin"], cache["from_origin"]),
            reason=_reason(counts),
            first_ms=first_ms,
        )


def _reason(counts: Mapping[str, int]) -> str:
    """New tokens need no number: the rest of those read are named with theirs."""
    parts = [words if words == "new" else f"{count:,} {words}" for words, count in counts.items() if count]
    return ", ".join(parts) or "all known"
