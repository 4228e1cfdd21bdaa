"""API keys. Each is a cache scope of its own, unless the operator joins them."""

import hashlib
import hmac
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from segue.api.errors import AUTHENTICATION, ApiError

PUBLIC_PATHS = frozenset({"/", "/health", "/v1/health"})


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
        """Who holds a key, None for a wrong one. Takes the same time for every key of a length."""
        if not self._digests:
            return ""
        presented = _digest(key)
        matches = [hmac.compare_digest(presented, digest) for digest in self._digests]
        return presented.hex()[:32] if any(matches) else None

    def scope(self, key: bytes) -> str | None:
        """The cache scope of a key, None for a wrong one."""
        owner = self.owner(key)
        return "" if self._is_shared and owner is not None else owner


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(b"segue cache scope:" + key).digest()


class Auth:
    """Middleware: checks the key as llama-server does, and leaves owner and cache scope in the request's state."""

    def __init__(self, app: ASGIApp, keys: KeyRing) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if its key is right or its path public."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            header = headers.get("authorization") or headers.get("x-api-key", "")
            scheme, _, token = header.partition(" ")
            key = (token.strip() if scheme.lower() == "bearer" else header).encode("latin-1")
            cache_scope = self._keys.scope(key)
            if cache_scope is None and scope["path"] not in PUBLIC_PATHS:
                error = ApiError(AUTHENTICATION, "Invalid API Key")
                return await error.response(scope["path"])(scope, receive, send)
            scope.setdefault("state", {}).update(cache_scope=cache_scope, owner=self._keys.owner(key))
        await self._app(scope, receive, send)
        return None
