"""POST /v1/completions."""

from collections import Counter
from collections.abc import Iterator, Sequence

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from typing_extensions import override

from segue.api.intake.body import JsonRoute
from segue.api.intake.completion import make_completion_plan
from segue.api.intake.requests import CompletionRequest
from segue.api.llama.completion import NativeFormat, verbose_format
from segue.api.openai.envelope import FINISH_REASONS, envelope
from segue.api.replies.respond import respond
from segue.api.replies.response_format import UnnamedFormat
from segue.api.replies.serialization import (
    FLOAT32_MAX,
    JsonObject,
    account_json,
    probabilities_json,
    progress_json,
    timings_json,
    usage_json,
)
from segue.loop.events import TokenOut
from segue.serving.events import FinishedReply, PromptProgress, ReplyPiece
from segue.serving.plan import GenerationPlan
from segue.serving.service import Service


class CompletionFormat(UnnamedFormat):
    """OpenAI's completions; `usage`, `timings` and `cache` come in the last object of a choice, as in llama-server.

    `logprobs` has OpenAI's four lists, and llama-server's `content` beside them.
    """

    done = b"data: [DONE]\n\n"

    def __init__(self, service: Service, request: CompletionRequest, verbose: NativeFormat | None = None) -> None:
        self._verbose = verbose
        self._vocabulary = service.backend.vocabulary
        self._request = request
        self._n_top = request.n_top_logprobs
        self._envelope = envelope(service, "cmpl", "text_completion")
        self._n_chars: Counter[int] = Counter()

    @override
    def reading(self, reading: PromptProgress) -> Iterator[JsonObject]:
        yield self._chunk(reading.index, "") | progress_json(
            reading.progress, with_timings=self._request.timings_per_token
        )

    @override
    def piece(self, piece: ReplyPiece) -> Iterator[JsonObject]:
        chunk = self._chunk(piece.index, piece.text, piece.tokens)
        if self._request.timings_per_token and (timings := piece.tokens[-1].timings) is not None:
            chunk["timings"] = timings_json(timings)
        yield chunk

    @override
    def reply(self, reply: FinishedReply) -> Iterator[JsonObject]:
        chunk = self._chunk(reply.index, reply.text, reply.tokens, FINISH_REASONS[reply.stop])
        yield chunk | account_json(reply) | {"usage": usage_json([reply], 1)} | self._shown(reply)

    @override
    def closing(self, replies: Sequence[FinishedReply]) -> Iterator[JsonObject]:
        options = self._request.stream_options
        if len(replies) > 1 and options is not None and options.include_usage:
            yield {"choices": [], **self._envelope, "usage": usage_json(replies, self._request.n_choices)}

    @override
    def whole(self, replies: Sequence[FinishedReply]) -> JsonObject:
        choices = [self._choice(reply.index, reply.text, reply.tokens, FINISH_REASONS[reply.stop]) for reply in replies]
        usage = usage_json(replies, self._request.n_choices)
        account = account_json(replies[0]) | self._shown(replies[0])
        return {"choices": choices, **self._envelope, "usage": usage, **account}

    def _shown(self, reply: FinishedReply) -> JsonObject:
        return {} if self._verbose is None else self._verbose.verbose(reply)

    def _chunk(
        self, index: int, text: str, tokens: Sequence[TokenOut] = (), finish_reason: str | None = None
    ) -> JsonObject:
        return {"choices": [self._choice(index, text, tokens, finish_reason)], **self._envelope}

    def _choice(self, index: int, text: str, tokens: Sequence[TokenOut], finish_reason: str | None) -> JsonObject:
        logprobs = self._logprobs(index, tokens) if self._n_top is not None and text else None
        return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": finish_reason}

    def _logprobs(self, index: int, tokens: Sequence[TokenOut]) -> JsonObject:
        lists: dict[str, list[object]] = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
        said = [token for token in tokens if not token.is_eog]
        for token in said:
            text = self._text(token.token)
            lists["tokens"].append(text)
            lists["token_logprobs"].append(None if token.logprob is None else max(token.logprob, -FLOAT32_MAX))
            best = {self._text(other.token): max(other.logprob, -FLOAT32_MAX) for other in token.top[: self._n_top]}
            lists["top_logprobs"].append(best)
            lists["text_offset"].append(self._n_chars[index])
            self._n_chars[index] += len(text)
        is_probability = bool(self._request.post_sampling_probs)
        content = probabilities_json(said, self._vocabulary, n_top=self._n_top or 0, is_probability=is_probability)
        return {**lists, "content": content}

    def _text(self, token: int) -> str:
        return self._vocabulary.piece(token).decode("utf-8", "ignore")


def router(service: Service) -> APIRouter:
    """The route."""
    routes = APIRouter(route_class=JsonRoute)

    @routes.post("/v1/completions", response_model=None)
    async def completions(http: Request, request: CompletionRequest) -> Response:
        """Continue one or several prompts."""

        def prepare() -> tuple[GenerationPlan, NativeFormat | None]:
            plan = make_completion_plan(service, request, http.state.namespace)
            return plan, verbose_format(service, request, plan)

        plan, verbose = await run_in_threadpool(prepare)
        response_format = CompletionFormat(service, request, verbose)
        return await respond(http, service, plan, response_format, request.sse_ping_interval)

    return routes
