"""What a lower tier has of an entry."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stored:
    """All of an entry, under the `key` of its content (`storage.keys`).

    `file` has its blob and, if it `has_logits`, its logits; "": it has neither, or the tier keeps them otherwise.
    `n_bytes` is what that takes; segments are shared and counted by themselves.
    """

    key: bytes
    n_bytes: int = 0
    has_logits: bool = False
    file: str = ""
