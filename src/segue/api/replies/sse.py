"""Sends replies as server-sent events while they grow."""

import asyncio
from collections.abc import Iterator

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from segue.api.replies.generation import ClientGoneError, Generation, check
from segue.api.replies.response_format import ResponseFormat
from segue.api.replies.serialization import JsonObject, event_bytes
from segue.serving.errors import UNAVAILABLE, ApiError
from segue.serving.events import Event, FinishedReply, PromptProgress, ReplyPiece, Signal
from segue.serving.plan import GenerationPlan

PACE_S = 0.008
"""Events within this time of the last chunk go out together: waking threads takes cores from a small model."""


class EventStream(Response):
    """Sends events until the plan's replies are complete, a job fails, or the client is gone; closes the generation.

    Events that came together go out together, each as an object of its own. A failure is the last event, and is not
    followed by the format's `done`.
    """

    media_type = "text/event-stream"

    def __init__(
        self, generation: Generation, response_format: ResponseFormat, first: list[Event], plan: GenerationPlan
    ) -> None:
        super().__init__(headers={"cache-control": "no-cache", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._generation = generation
        self._format = response_format
        self._first = first
        self._plan = plan
        self._replies: list[FinishedReply] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send everything; returns early if the client is gone."""
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            events, is_more = self._first, True
            while is_more:
                body, is_more = self._encode(events)
                await send({"type": "http.response.body", "body": body, "more_body": is_more})
                self._generation.sent()
                if is_more:
                    await asyncio.sleep(PACE_S)
                    events = await self._generation.next_events()
        except ClientGoneError:
            return
        except asyncio.CancelledError:
            body = self._error(ApiError(UNAVAILABLE, "The server is shutting down"))
            await send({"type": "http.response.body", "body": body, "more_body": False})
        finally:
            self._generation.close()

    def _encode(self, events: list[Event]) -> tuple[bytes, bool]:
        """The bytes of some events, and whether more will follow."""
        chunks: list[bytes] = []
        try:
            for event in events:
                if event is Signal.SILENCE:
                    chunks.append(self._format.ping)
                else:
                    chunks += map(self._chunk, self._objects(event))
        except ApiError as error:
            return b"".join([*chunks, self._error(error)]), False
        is_more = len(self._replies) < len(self._plan.jobs)
        if not is_more:
            chunks += map(self._chunk, self._format.closing(self._replies))
            chunks.append(self._format.done)
        return b"".join(chunks), is_more

    def _objects(self, event: Event) -> Iterator[JsonObject]:
        if isinstance(event, ReplyPiece):
            yield from self._format.piece(event)
        elif isinstance(event, PromptProgress):
            yield from self._format.reading(event)
        elif isinstance(event, FinishedReply):
            check(event)
            self._replies.append(event)
            yield from self._format.reply(event)

    def _error(self, error: ApiError) -> bytes:
        return self._chunk(self._format.failure(error.failure))

    def _chunk(self, value: JsonObject) -> bytes:
        return event_bytes(value, is_named=self._format.is_named)
