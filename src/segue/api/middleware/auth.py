"""Checks API keys."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from segue.api.replies.failures import error_response
from segue.serving.errors import AUTHENTICATION, ApiError
from segue.serving.keys import KeyRing

PUBLIC_PATHS = frozenset({"/", "/health", "/v1/health"})


class Auth:
    """Middleware: checks the key as llama-server does, and leaves owner and namespace in the request's state."""

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
            namespace = self._keys.namespace(key)
            if namespace is None and scope["path"] not in PUBLIC_PATHS:
                error = ApiError(AUTHENTICATION, "Invalid API Key")
                return await error_response(error, scope["path"])(scope, receive, send)
            scope.setdefault("state", {}).update(namespace=namespace, owner=self._keys.owner(key))
        await self._app(scope, receive, send)
        return None
