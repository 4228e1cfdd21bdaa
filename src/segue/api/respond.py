"""From work to its response: a stream or one object."""

import contextlib

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from segue.api.events import Event, Reply
from segue.api.generation import ClientGoneError, Generation, check
from segue.api.service import Service
from segue.api.session import session_of
from segue.api.shape import Shape
from segue.api.sse import EventStream
from segue.api.work import Work

FIRST_EVENT_S = 1.0
"""How long a stream waits before its headers go out, so that an early error gets a status of its own."""


async def respond(http: Request, service: Service, work: Work, shape: Shape, ping_interval_s: int | None) -> Response:
    """Run the jobs and word what they say. A client that goes away cancels them."""
    with contextlib.ExitStack() as stack:
        generation = Generation(http.receive, service, work)
        stack.callback(generation.close)
        try:
            generation.submit(session_of(http.headers))
            if not work.is_live:
                return JSONResponse(shape.whole(await generation.replies()))
            first = await _first_events(generation)
        except ClientGoneError:
            return Response(status_code=499)
        generation.signal_silence(service.settings.sse_ping_interval if ping_interval_s is None else ping_interval_s)
        stack.pop_all()
        return EventStream(generation, shape, first, work)


async def _first_events(generation: Generation) -> list[Event]:
    """What comes first, or a sign of silence. Raises ApiError for a failure, which then gets a status of its own."""
    generation.signal_silence(FIRST_EVENT_S)
    events = await generation.take()
    for event in events:
        if isinstance(event, Reply):
            check(event)
    return events
