"""Answers 503 at almost every endpoint until the model is loaded."""

from starlette.types import ASGIApp, Receive, Scope, Send

from segue.api.replies.failures import error_response
from segue.serving.service import LoadingPhase, Service

OPEN_PATHS = frozenset({"/health", "/v1/health", "/models", "/v1/models"})
_OPEN_FOLDERS = ("/models/", "/v1/models/")


class Gate:
    """Middleware: closed while the model loads."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if there is a model, or if the endpoint needs none."""
        if scope["type"] == "http" and self._service.phase is not LoadingPhase.READY and not _is_open(scope["path"]):
            return await error_response(self._service.unavailable(), scope["path"])(scope, receive, send)
        return await self._app(scope, receive, send)


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(_OPEN_FOLDERS)
