"""POST /completion and /completions, in llama-server's format."""

from collections.abc import Iterator, Sequence

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from typing_extensions import override

from segue.api.intake.body import JsonRoute
from segue.api.intake.completion import make_completion_plan
from segue.api.intake.requests import CompletionRequest, GenerationFields
from segue.api.llama.generation_settings import pick, settings_json
from segue.api.replies.failures import native_failure
from segue.api.replies.respond import respond
from segue.api.replies.response_format import UnnamedFormat
from segue.api.replies.serialization import (
    JsonObject,
    account_json,
    probabilities_json,
    progress_json,
    timings_json,
)
from segue.chat.vocabulary import TokenVocabulary
from segue.loop.events import TokenOut
from segue.loop.job import Tokens
from segue.serving.errors import Failure
from segue.serving.events import FinishedReply, PromptProgress, ReplyPiece
from segue.serving.plan import GenerationPlan
from segue.serving.service import Service

VERBOSE = 10
"""The verbosity of --verbose, from which on each reply shows its request, as in llama-server."""


class NativeFormat(UnnamedFormat):
    """One object a reply; several replies make a list. `texts` are the prompts' by job."""

    done = b""

    def __init__(self, service: Service, request: GenerationFields, plan: GenerationPlan, texts: Sequence[str]) -> None:
        self._service = service
        self._vocabulary = service.backend.vocabulary
        self._request = request
        self._plan = plan
        self._texts = texts
        self._n_top = request.n_top_logprobs

    @override
    def reading(self, reading: PromptProgress) -> Iterator[JsonObject]:
        yield self._partial(reading.index, "", ()) | progress_json(
            reading.progress, with_timings=self._request.timings_per_token
        )

    @override
    def piece(self, piece: ReplyPiece) -> Iterator[JsonObject]:
        yield self._partial(piece.index, piece.text, piece.tokens)

    @override
    def reply(self, reply: FinishedReply) -> Iterator[JsonObject]:
        if reply.tokens:
            yield self._partial(reply.index, reply.text, reply.tokens)
        yield self._final(reply, "", ())

    @override
    def closing(self, replies: Sequence[FinishedReply]) -> Iterator[JsonObject]:
        yield from ()

    @override
    def whole(self, replies: Sequence[FinishedReply]) -> object:
        objects = [self._final(reply, reply.text, reply.tokens) for reply in replies]
        return objects[0] if len(objects) == 1 else objects

    def verbose(self, reply: FinishedReply) -> JsonObject:
        """`__verbose`, which shows in another format what was asked and said in this one."""
        return {"__verbose": self._final(reply, reply.all_text, reply.tokens)}

    @override
    def failure(self, failure: Failure) -> JsonObject:
        return native_failure(failure)[1]

    def _partial(self, index: int, text: str, tokens: Sequence[TokenOut]) -> JsonObject:
        timings = tokens[-1].timings if tokens else None
        partial: JsonObject = {
            "index": index,
            "content": text,
            "tokens": [token.token for token in tokens],
            "stop": False,
            "id_slot": -1,
            "tokens_predicted": tokens[-1].n_generated if tokens else 0,
            "tokens_evaluated": len(self._plan.jobs[index].tokens),
        }
        if timings is not None and self._request.timings_per_token:
            partial["timings"] = timings_json(timings)
        return partial | self._probabilities(tokens)

    def _final(self, reply: FinishedReply, text: str, tokens: Sequence[TokenOut]) -> JsonObject:
        job, timings = self._plan.jobs[reply.index], reply.end.timings
        final: JsonObject = {
            "index": reply.index,
            "content": text,
            "tokens": [token.token for token in tokens] if self._request.return_tokens else [],
            "id_slot": reply.end.id_slot,
            "stop": True,
            "model": self._service.model_name,
            "tokens_predicted": timings.predicted_n,
            "tokens_evaluated": len(job.tokens),
            "generation_settings": settings_json(job, self._request, self._plan.stops, self._vocabulary),
            "prompt": self._texts[reply.index],
            "has_new_line": reply.has_new_line,
            "truncated": reply.end.truncated,
            "stop_type": reply.stop,
            "stopping_word": reply.stopping_word,
            "tokens_cached": len(job.tokens) + max(timings.predicted_n - 1, 0),
            **account_json(reply),
            **self._probabilities(tokens),
        }
        return pick(final, self._request.response_fields) if self._request.response_fields else final

    def _probabilities(self, tokens: Sequence[TokenOut]) -> JsonObject:
        if self._n_top is None or not tokens:
            return {}
        is_probability = bool(self._request.post_sampling_probs)
        return {
            "completion_probabilities": probabilities_json(
                tokens, self._vocabulary, n_top=self._n_top, is_probability=is_probability
            )
        }


def verbose_format(service: Service, request: GenerationFields, plan: GenerationPlan) -> NativeFormat | None:
    """The format that shows a request in full, if it or the server asks for that. Slow on long prompts."""
    if not (request.verbose or service.settings.verbosity >= VERBOSE):
        return None
    texts = [detokenize(service.backend.vocabulary, job.tokens) for job in plan.jobs]
    return NativeFormat(service, request, plan, texts)


def detokenize(vocabulary: TokenVocabulary, tokens: Tokens) -> str:
    """The text of tokens, special ones as theirs. Slow on long ones."""
    return b"".join(map(vocabulary.piece, tokens.tolist())).decode("utf-8", "replace")


def router(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(route_class=JsonRoute)

    @routes.post("/completions", response_model=None)
    @routes.post("/completion", response_model=None)
    async def completion(http: Request, request: CompletionRequest) -> Response:
        """Continue one or several prompts."""

        def prepare() -> tuple[GenerationPlan, list[str]]:
            plan = make_completion_plan(service, request, http.state.namespace)
            return plan, [detokenize(service.backend.vocabulary, job.tokens) for job in plan.jobs]

        plan, texts = await run_in_threadpool(prepare)
        return await respond(
            http, service, plan, NativeFormat(service, request, plan, texts), request.sse_ping_interval
        )

    return routes
