"""POST /v1/chat/completions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal
from weakref import WeakValueDictionary

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from typing_extensions import override

from segue.api.intake.body import JsonRoute
from segue.api.intake.chat import encode_chat, prepare_chat
from segue.api.intake.plan import make_chat_plan
from segue.api.intake.requests import ChatRequest
from segue.api.llama.completion import NativeFormat, verbose_format
from segue.api.openai.envelope import envelope
from segue.api.openai.message import delta_json, finish_reason, message_json
from segue.api.replies.respond import respond
from segue.api.replies.response_format import UnnamedFormat
from segue.api.replies.serialization import (
    JsonObject,
    account_json,
    counted_json,
    probabilities_json,
    progress_json,
    timings_json,
    usage_json,
)
from segue.chat.reply.parser import ReplyParser
from segue.chat.reply.parts import CallClosed, Part
from segue.chat.reply.reply_format import ReplyFormat
from segue.chat.reply.thinking_limit import ThinkingSwitch
from segue.chat.reply.whole import parts_whole
from segue.loop.events import TokenOut
from segue.serving.events import FinishedReply, PromptProgress, ReplyPiece
from segue.serving.plan import GenerationPlan
from segue.serving.service import Service

_OPENING: JsonObject = {"role": "assistant", "content": None}


@dataclass(slots=True)
class _Voice:
    """The progress of a streamed choice: its parser, the tokens that no chunk has carried yet, and calls so far."""

    parser: ReplyParser
    waiting: list[TokenOut] = field(default_factory=list)
    n_calls: int = 0


class ControlRequest(BaseModel):
    """The body of POST /v1/chat/completions/control."""

    id: str
    action: Literal["reasoning_end"]


class ChatFormat(UnnamedFormat):
    """OpenAI's chat completions, with llama-server's `timings` and Segue's `cache` in the last object of a choice."""

    done = b"data: [DONE]\n\n"

    def __init__(
        self,
        service: Service,
        request: ChatRequest,
        n_top: int | None,
        reply_format: ReplyFormat,
        verbose: NativeFormat | None = None,
    ) -> None:
        self._vocabulary = service.backend.vocabulary
        self._request = request
        self._n_top = n_top
        self._reply_format = reply_format
        self._verbose = verbose
        self._chunk = envelope(service, "chatcmpl", "chat.completion.chunk")
        self.id = str(self._chunk["id"])
        self._voices: dict[int, _Voice] = {}

    @override
    def reading(self, reading: PromptProgress) -> Iterator[JsonObject]:
        delta: JsonObject = {} if reading.index in self._voices else _OPENING
        self._voice(reading.index)
        yield self._delta(reading.index, delta) | progress_json(
            reading.progress, with_timings=self._request.timings_per_token
        )

    @override
    def piece(self, piece: ReplyPiece) -> Iterator[JsonObject]:
        yield from self._open(piece.index)
        yield from self._deltas(piece.index, self._voice(piece.index).parser.feed(piece.text), piece.tokens)

    @override
    def reply(self, reply: FinishedReply) -> Iterator[JsonObject]:
        yield from self._open(reply.index)
        voice = self._voice(reply.index)
        yield from self._deltas(reply.index, voice.parser.feed(reply.text) + voice.parser.finish(), reply.tokens)
        if voice.waiting and self._n_top is not None:
            yield self._delta(reply.index, {}, self._logprobs(voice.waiting))
        choice: JsonObject = {"finish_reason": finish_reason(reply, voice.n_calls), "index": reply.index, "delta": {}}
        account = {} if self._has_closing_account else account_json(reply)
        yield self._chunk | {"choices": [choice]} | account | self._shown(reply)

    @override
    def closing(self, replies: Sequence[FinishedReply]) -> Iterator[JsonObject]:
        if self._includes_usage:
            usage: JsonObject = {"choices": [], "usage": usage_json(replies, self._request.n_choices)}
            yield self._chunk | usage | (account_json(replies[0]) if self._has_closing_account else {})

    @override
    def whole(self, replies: Sequence[FinishedReply]) -> JsonObject:
        choices: list[JsonObject] = []
        for reply in replies:
            parser = self._reply_format.parser()
            said = parts_whole(parser.feed(reply.text) + parser.finish())
            reason = finish_reason(reply, len(said.calls))
            choice: JsonObject = {"finish_reason": reason, "index": reply.index, "message": message_json(said)}
            choices.append(choice | self._logprobs(reply.tokens))
        return {
            "choices": choices,
            **self._chunk,
            "object": "chat.completion",
            "usage": usage_json(replies, self._request.n_choices),
            **account_json(replies[0]),
            **self._shown(replies[0]),
        }

    def _shown(self, reply: FinishedReply) -> JsonObject:
        return {} if self._verbose is None else self._verbose.verbose(reply)

    @property
    def _includes_usage(self) -> bool:
        options = self._request.stream_options
        return options is not None and bool(options.include_usage)

    @property
    def _has_closing_account(self) -> bool:
        """Whether the account of the only choice goes into the closing chunk, as in llama-server."""
        return self._includes_usage and self._request.n_choices == 1

    def _voice(self, index: int) -> _Voice:
        voice = self._voices.get(index)
        if voice is None:
            voice = self._voices[index] = _Voice(self._reply_format.parser(streams_calls=True))
        return voice

    def _open(self, index: int) -> Iterator[JsonObject]:
        """The delta that says who speaks, once for each choice."""
        if index not in self._voices:
            self._voice(index)
            yield self._delta(index, _OPENING)

    def _deltas(self, index: int, parts: Sequence[Part], tokens: Sequence[TokenOut]) -> Iterator[JsonObject]:
        """A chunk for each part; the first carries the tokens that came since the last one."""
        voice = self._voice(index)
        voice.waiting += tokens
        for part in parts:
            if isinstance(part, CallClosed):
                voice.n_calls += 1
                continue
            chunk = self._delta(index, delta_json(part), self._logprobs(voice.waiting))
            if self._request.timings_per_token and voice.waiting and (timings := voice.waiting[-1].timings) is not None:
                chunk["timings"] = timings_json(timings)
            voice.waiting.clear()
            yield chunk

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
    # A switch goes with the jobs that it belongs to.
    switches: WeakValueDictionary[tuple[str, str], ThinkingSwitch] = WeakValueDictionary()

    @routes.post("/v1/chat/completions", response_model=None)
    @routes.post("/chat/completions", response_model=None)
    async def chat_completions(http: Request, request: ChatRequest) -> Response:
        """Continue a conversation."""
        n_top, namespace = request.n_top_logprobs, str(http.state.namespace)
        switch = ThinkingSwitch() if request.reasoning_control else None

        def prepare() -> tuple[GenerationPlan, ReplyFormat, NativeFormat | None]:
            chat = prepare_chat(service, request, namespace, switch=switch)
            plan = make_chat_plan(service, request, chat, namespace, n_probs=request.n_wanted_probs)
            return plan, chat.reply_format, verbose_format(service, request, plan)

        plan, reply_format, verbose = await run_in_threadpool(prepare)
        chat_format = ChatFormat(service, request, n_top, reply_format, verbose)
        if switch is not None:
            switches[namespace, chat_format.id] = switch
        return await respond(http, service, plan, chat_format, request.sse_ping_interval)

    @routes.post("/v1/chat/completions/control", response_model=None)
    async def control(http: Request, request: ControlRequest) -> Response:
        """End the reasoning of a running completion whose request has `reasoning_control`."""
        switch = switches.get((http.state.namespace, request.id))
        if switch is None:
            message = "No running completion of this id has reasoning_control"
            return JSONResponse({"success": False, "message": message})
        switch.turn_off()
        return JSONResponse({"success": True})

    @routes.post("/v1/chat/completions/input_tokens", response_model=None)
    @routes.post("/chat/completions/input_tokens", response_model=None)
    async def input_tokens(http: Request, request: ChatRequest) -> Response:
        """Count the prompt tokens of a conversation without running the model."""

        def count() -> int:
            return len(encode_chat(service, request, http.state.namespace).prompt.tokens)

        return JSONResponse(counted_json(await run_in_threadpool(count)))

    return routes
