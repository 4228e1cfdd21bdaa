"""Ends requests whose client neither sends nor takes data."""

import asyncio

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from segue.serving.errors import INVALID_REQUEST, ApiError


class Timeouts:
    """Middleware: a body that stops arriving is answered with 408, a response that is not taken is cut off.

    `seconds` is how long either may take from one piece to the next. How long a reply takes does not count.
    """

    def __init__(self, app: ASGIApp, seconds: int) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with limits on its way in and out."""
        is_read = False

        async def receive_in_time() -> Message:
            nonlocal is_read
            if is_read:
                return await receive()
            try:
                async with asyncio.timeout(self._seconds):
                    message = await receive()
            except TimeoutError as error:
                raise ApiError(INVALID_REQUEST, "The request did not arrive in time", status=408) from error
            is_read = not message.get("more_body", False)
            return message

        async def send_in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(self._seconds):
                    await send(message)
            except TimeoutError as error:
                raise ClientDisconnect from error

        if scope["type"] == "http":
            await self._app(scope, receive_in_time, send_in_time)
        else:
            await self._app(scope, receive, send)
