"""GET and DELETE /v1/stream, POST /v1/streams/lookup: resumes streams that outlived their client."""

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response, StreamingResponse

from segue.api.intake.body import JsonRoute
from segue.api.replies.kept_streams import KeptStream, KeptStreams
from segue.api.replies.serialization import JsonObject
from segue.serving.errors import NOT_FOUND, ApiError, invalid

_MOST_DIGITS = 20


class _Lookup(BaseModel):
    conversation_ids: list[str] = []


def router(streams: KeptStreams) -> APIRouter:
    """The routes."""
    posts = APIRouter(route_class=JsonRoute)

    @posts.post("/v1/streams/lookup", response_model=None)
    async def lookup(http: Request, body: _Lookup) -> Response:
        """Tell which of these conversations have a stream; ids of others are left out."""
        return JSONResponse([_told(one) for one in streams.of(http.state.namespace, body.conversation_ids)])

    routes = APIRouter()
    routes.include_router(posts)

    @routes.get("/v1/stream", response_model=None)
    async def replay(http: Request, conv_id: str = "", from_: str = Query("0", alias="from")) -> Response:
        """Send what the stream of a conversation has sent from byte `from` on, and what it goes on to send."""
        _require(conv_id)
        stream = streams.get(http.state.namespace, conv_id)
        if stream is None:
            raise ApiError(NOT_FOUND, "No stream of this conversation is known; it may be too old")
        if not (from_.isascii() and from_.isdigit() and len(from_) < _MOST_DIGITS):
            raise invalid("from must be a number of bytes")
        if int(from_) < stream.n_lost:
            raise invalid(f"The first {stream.n_lost} bytes of this stream are no longer kept")
        return StreamingResponse(stream.read(int(from_)), media_type="text/event-stream")

    @routes.delete("/v1/stream", response_model=None)
    async def stop(http: Request, conv_id: str = "") -> Response:
        """Stop the stream of a conversation, if there is one, and forget it."""
        _require(conv_id)
        streams.stop(http.state.namespace, conv_id)
        return Response(status_code=204)

    return routes


def _require(conv_id: str) -> None:
    if not conv_id:
        raise invalid("conv_id must name a conversation, as X-Conversation-Id did")


def _told(stream: KeptStream) -> JsonObject:
    return {
        "conversation_id": stream.conversation_id,
        "is_done": stream.ended is not None,
        "total_bytes": stream.n_bytes,
        "started_at": int(stream.started),
        "completed_at": int(stream.ended or 0),
    }
