"""Loads a sleeping model before requests that need it."""

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send

from segue.api.replies.failures import error_response
from segue.serving.errors import ApiError
from segue.serving.service import Service


class Wake:
    """Middleware: a POST needs the model, and keeps it loaded; what is only looked at does not."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on once the model is loaded, or answer 503."""
        sleeper = self._service.sleeper
        if sleeper is None or scope["type"] != "http" or scope["method"] != "POST":
            return await self._app(scope, receive, send)
        awake = sleeper.enter()
        try:
            try:
                await asyncio.wrap_future(awake)
            except ApiError as error:
                return await error_response(error, scope["path"])(scope, receive, send)
            return await self._app(scope, receive, send)
        finally:
            sleeper.leave()
