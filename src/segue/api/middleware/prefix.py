"""Serves all paths below a prefix."""

from starlette.types import ASGIApp, Receive, Scope, Send

from segue.api.replies.failures import error_response
from segue.serving.errors import NOT_FOUND, ApiError


class Prefix:
    """Middleware: takes the prefix from the path of a request, and answers 404 where the path has none."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on without the prefix."""
        if scope["type"] == "http":
            path = scope["path"]
            if not f"{path}/".startswith(f"{self._prefix}/"):
                error = ApiError(NOT_FOUND, f"Not Found: all paths of this server begin with {self._prefix}")
                return await error_response(error, path)(scope, receive, send)
            scope = {**scope, "path": path.removeprefix(self._prefix) or "/"}
        return await self._app(scope, receive, send)
