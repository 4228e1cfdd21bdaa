"""Runs a plan and makes its response: a stream or one object."""

import contextlib

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from segue.api.replies.generation import ClientGoneError, Generation, check
from segue.api.replies.response_format import ResponseFormat
from segue.api.replies.session import session_of
from segue.api.replies.sse import EventStream
from segue.serving.events import Event, FinishedReply
from segue.serving.plan import GenerationPlan
from segue.serving.service import Service

FIRST_EVENT_S = 1.0
"""How long a stream waits before its headers go out, so that an early error gets a status of its own."""


async def respond(
    http: Request, service: Service, plan: GenerationPlan, response_format: ResponseFormat, ping_interval_s: int | None
) -> Response:
    """Run the jobs and format their replies. A client that goes away cancels them."""
    with contextlib.ExitStack() as stack:
        generation = Generation(http.receive, service, plan)
        stack.callback(generation.close)
        try:
            generation.submit(session_of(http.headers))
            if not plan.is_live:
                return JSONResponse(response_format.whole(await generation.replies()))
            first = await _first_events(generation)
        except ClientGoneError:
            return Response(status_code=499)
        generation.signal_silence(service.settings.sse_ping_interval if ping_interval_s is None else ping_interval_s)
        stack.pop_all()
        return EventStream(generation, response_format, first, plan)


async def _first_events(generation: Generation) -> list[Event]:
    """The first events, or a sign of silence. Raises ApiError for a failure, which then gets a status of its own."""
    generation.signal_silence(FIRST_EVENT_S)
    events = await generation.next_events()
    for event in events:
        if isinstance(event, FinishedReply):
            check(event)
    return events
