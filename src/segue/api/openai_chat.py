"""POST /v1/chat/completions."""

from collections.abc import Iterator, Sequence

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from segue.api.body import JsonRoute
from segue.api.envelope import FINISH_REASONS, envelope
from segue.api.events import Piece, Reading, Reply
from segue.api.prompts import from_chat
from segue.api.requests import ChatRequest
from segue.api.respond import respond
from segue.api.service import Service
from segue.api.wire import (
    JsonObject,
    account_json,
    probabilities_json,
    progress_json,
    timings_json,
    usage_json,
)
from segue.api.work import Work, plan
from segue.loop.job import TokenOut


class ChatShape:
    """OpenAI's chat completions, with llama-server's `timings` and Segue's `cache` in the last object of a choice."""

    done = b"data: [DONE]\n\n"

    def __init__(self, service: Service, request: ChatRequest, n_top: int | None) -> None:
        self._vocabulary = service.backend.vocabulary
        self._request = request
        self._n_top = n_top
        self._chunk = envelope(service, "chatcmpl", "chat.completion.chunk")
        self._opened: set[int] = set()

    def reading(self, reading: Reading) -> Iterator[JsonObject]:  # noqa: D102
        yield self._delta(reading.index, self._opening(reading.index)) | {
            "prompt_progress": progress_json(reading.progress)
        }

    def piece(self, piece: Piece) -> Iterator[JsonObject]:  # noqa: D102
        if piece.index not in self._opened:
            yield self._delta(piece.index, self._opening(piece.index))
        chunk = self._delta(piece.index, {"content": piece.text}, self._logprobs(piece.tokens))
        if self._request.timings_per_token and (timings := piece.tokens[-1].timings) is not None:
            chunk["timings"] = timings_json(timings)
        yield chunk

    def reply(self, reply: Reply) -> Iterator[JsonObject]:  # noqa: D102
        if reply.index not in self._opened:
            yield self._delta(reply.index, self._opening(reply.index))
        if reply.text:
            yield self._delta(reply.index, {"content": reply.text}, self._logprobs(reply.tokens))
        choice: JsonObject = {"finish_reason": FINISH_REASONS[reply.stop], "index": reply.index, "delta": {}}
        yield self._chunk | {"choices": [choice]} | ({} if self._has_closing_account else account_json(reply))

    def close(self, replies: Sequence[Reply]) -> Iterator[JsonObject]:  # noqa: D102
        if self._includes_usage:
            usage: JsonObject = {"choices": [], "usage": usage_json(replies, self._request.n_choices)}
            yield self._chunk | usage | (account_json(replies[0]) if self._has_closing_account else {})

    def whole(self, replies: Sequence[Reply]) -> JsonObject:  # noqa: D102
        choices: list[JsonObject] = []
        for reply in replies:
            message = {"role": "assistant", "content": reply.text}
            choice: JsonObject = {"finish_reason": FINISH_REASONS[reply.stop], "index": reply.index, "message": message}
            choices.append(choice | self._logprobs(reply.tokens))
        return {
            "choices": choices,
            **self._chunk,
            "object": "chat.completion",
            "usage": usage_json(replies, self._request.n_choices),
            **account_json(replies[0]),
        }

    @property
    def _includes_usage(self) -> bool:
        options = self._request.stream_options
        return options is not None and bool(options.include_usage)

    @property
    def _has_closing_account(self) -> bool:
        """Whether the account of the only choice goes into the closing chunk, as in llama-server."""
        return self._includes_usage and self._request.n_choices == 1

    def _opening(self, index: int) -> JsonObject:
        """The delta that says who speaks, once for each choice."""
        if index in self._opened:
            return {}
        self._opened.add(index)
        return {"role": "assistant", "content": None}

    def _delta(self, index: int, delta: JsonObject, extra: JsonObject | None = None) -> JsonObject:
        choice: JsonObject = {"finish_reason": None, "index": index, "delta": delta}
        return {"choices": [choice | extra if extra else choice], **self._chunk}

    def _logprobs(self, tokens: Sequence[TokenOut]) -> JsonObject:
        if self._n_top is None:
            return {}
        said = [token for token in tokens if not token.is_eog]
        is_probability = bool(self._request.post_sampling_probs)
        content = probabilities_json(said, self._vocabulary, n_top=self._n_top, is_probability=is_probability)
        return {"logprobs": {"content": content}}


def router(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(route_class=JsonRoute)

    @routes.post("/v1/chat/completions", response_model=None)
    @routes.post("/chat/completions", response_model=None)
    async def chat_completions(http: Request, request: ChatRequest) -> Response:
        """Continue a conversation."""
        n_top = n_top_logprobs(request)

        def prepare() -> Work:
            scope: str = http.state.cache_scope
            prompts = [from_chat(service, request, scope)]
            return plan(service, request, prompts, scope, n_probs=0 if n_top is None else max(n_top, 1))

        work = await run_in_threadpool(prepare)
        return await respond(http, service, work, ChatShape(service, request, n_top), request.sse_ping_interval)

    return routes


def n_top_logprobs(request: ChatRequest) -> int | None:
    """How many of the best tokens to tell with each, None for no log-probabilities; 20 unless said, as llama-server."""
    if request.logprobs:
        return 20 if request.top_logprobs is None else request.top_logprobs
    return request.n_probs or None
