"""API keys. Each has a namespace of its own, unless the operator joins them."""

import hashlib
import hmac
from collections.abc import Iterable


class KeyRing:
    """The keys that open the server; without any it is open to all."""

    def __init__(self, keys: Iterable[str], *, is_shared: bool) -> None:
        self._digests = [_digest(key.encode()) for key in keys]
        self._is_shared = is_shared

    @property
    def has_keys(self) -> bool:
        """Whether a key is needed."""
        return bool(self._digests)

    def owner(self, key: bytes) -> str | None:
        """The holder of a key, None for a wrong one. Takes the same time for every key of a length."""
        if not self._digests:
            return ""
        presented = _digest(key)
        matches = [hmac.compare_digest(presented, digest) for digest in self._digests]
        return presented.hex()[:32] if any(matches) else None

    def namespace(self, key: bytes) -> str | None:
        """The namespace of a key, None for a wrong one."""
        owner = self.owner(key)
        return "" if self._is_shared and owner is not None else owner


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(b"segue namespace:" + key).digest()
