"""Lets a stream go on without its client, which names its conversation and can resume it later."""

import asyncio

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from segue.api.replies.kept_streams import KeptStream, KeptStreams

_EVENTS = "text/event-stream"
_MOST_CHARS = 512


class Resumable:
    """Middleware: keeps the events of a POST with `X-Conversation-Id`, and hides from it that its client has left."""

    def __init__(self, app: ASGIApp, streams: KeptStreams) -> None:
        self._app = app
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and keep what a stream of events sends."""
        name = Headers(scope=scope).get("x-conversation-id", "") if scope["type"] == "http" else ""
        if not name or len(name) > _MOST_CHARS or scope["method"] != "POST":
            return await self._app(scope, receive, send)
        namespace = scope["state"]["namespace"]
        # At once: the slot of a stream that nobody waits for any more may be the one that this request needs.
        self._streams.stop(namespace, name)
        request = _Request(self._streams, namespace, name, receive, send)
        try:
            await self._app(scope, request.receive, request.send)
        finally:
            await request.end()
        return None


class _Request:
    """One request between its client and the application."""

    def __init__(self, streams: KeptStreams, namespace: str, name: str, receive: Receive, send: Send) -> None:
        self._streams = streams
        self._namespace = namespace
        self._name = name
        self._receive = receive
        self._send = send
        self._stopped = asyncio.Event()
        self._kept: KeptStream | None = None
        self._is_read = self._has_left = self._is_complete = False

    async def receive(self) -> Message:
        """The body; then the client's leaving, or once a stream is kept, that somebody stopped it."""
        if not self._is_read:
            message = await self._receive()
            self._is_read = not message.get("more_body", False)
            return message
        left, stopped = (asyncio.ensure_future(wait()) for wait in (self._receive, self._stopped.wait))
        try:
            await asyncio.wait((left, stopped), return_when=asyncio.FIRST_COMPLETED)
            if self._kept is not None:
                await self._stopped.wait()
        finally:
            left.cancel()
            stopped.cancel()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Keep a message of a stream, and send it while the client is there."""
        if message["type"] == "http.response.start":
            if Headers(raw=message["headers"]).get("content-type", "").startswith(_EVENTS):
                self._kept = self._streams.open(self._namespace, self._name, self._stopped)
        elif self._kept is not None:
            self._kept.append(message["body"])
            self._is_complete = not message.get("more_body", False)
        await self._pass_on(message)

    async def end(self) -> None:
        """Tell readers that the stream is over; a client of a stream that was stopped gets a proper end, too."""
        if self._kept is None:
            return
        self._streams.end(self._kept)
        if not self._is_complete:
            await self._pass_on({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pass_on(self, message: Message) -> None:
        if self._has_left:
            return
        try:
            await self._send(message)
        except (OSError, ClientDisconnect):
            if self._kept is None:
                raise
            self._has_left = True
